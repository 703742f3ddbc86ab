package scsi

// maxCompare is the longest COMPARE AND WRITE, in bytes; VPD page B0h declares
// it.
const maxCompare = 64 << 10

// decodeCompareWrite: the parameter list is the blocks that must be there,
// then those to be written (SBC-3, 5.3). Clustered file systems lock with it.
func decodeCompareWrite(d *Disk, cdb *CDB, c *Command) Sense {
	if s := d.writable(); !s.OK() {
		return s
	}
	if s := protect(cdb); !s.OK() {
		return s
	}
	count := uint32(cdb[13])
	if int64(count) > maxCompare/d.blockSize {
		return badField(13)
	}
	c.verb, c.fua = compareStore, cdb[1]&0x08 != 0
	if s := c.extent(d, cdb.u64(2), count); !s.OK() || count == 0 {
		return s
	}
	c.Kind = Parameters
	c.Length = 2 * c.span
	return Sense{}
}

func (d *Disk) compareWrite(c *Command, params []byte) Sense {
	if int64(len(params)) != 2*c.span {
		return paramListLength
	}
	return d.exchange(params[:c.span], params[c.span:], c.offset)
}

func (d *Disk) exchange(old, new []byte, off int64) Sense {
	d.order.Lock()
	defer d.order.Unlock()
	if s := d.compare(old, off); !s.OK() {
		return s
	}
	_, err := d.dev.WriteAt(new, off)
	return senseOf(err)
}
