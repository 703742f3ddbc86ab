package scsi

func decodeOrWrite(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	c.verb = orStore
	return c.flagged(d, Write, lba, count)
}

// orWrite sets the bits of p in what the disk holds at off. Nobody else
// changes the disk meanwhile.
func (d *Disk) orWrite(p []byte, off int64) Sense {
	d.order.Lock()
	defer d.order.Unlock()
	have := make([]byte, min(verifyPiece, len(p)))
	for len(p) > 0 {
		n := min(len(have), len(p))
		if s := d.read(have[:n], off); !s.OK() {
			return s
		}
		for i, b := range p[:n] {
			have[i] |= b
		}
		if _, err := d.dev.WriteAt(have[:n], off); err != nil {
			return senseOf(err)
		}
		p, off = p[n:], off+int64(n)
	}
	return Sense{}
}
