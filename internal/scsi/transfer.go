package scsi

import "bootes.dev/internal/block"

// extent sets what part of the disk c is about, in bytes, or refuses it. LBA
// and count come from the wire: nothing may overflow.
func (c *Command) extent(d *Disk, lba uint64, count uint32) Sense {
	if blocks := d.blocks(); lba > blocks || uint64(count) > blocks-lba {
		return lbaOutOfRange
	}
	c.offset, c.span = int64(lba)*d.blockSize, int64(count)*d.blockSize
	return Sense{}
}

// protect refuses RDPROTECT, WRPROTECT and VRPROTECT: the disk is formatted
// without protection information.
func protect(cdb *CDB) Sense {
	if cdb[1]&0xe0 != 0 {
		return badField(1)
	}
	return Sense{}
}

func (c *Command) transfer(d *Disk, kind Kind, lba uint64, count uint32) Sense {
	if kind == Write {
		if s := d.writable(); !s.OK() {
			return s
		}
	}
	c.Kind = kind
	if s := c.extent(d, lba, count); !s.OK() {
		return s
	}
	c.Length = c.span
	return Sense{}
}

// flagged is transfer for the CDBs that have a byte of flags.
func (c *Command) flagged(d *Disk, kind Kind, lba uint64, count uint32) Sense {
	if s := protect(&c.CDB); !s.OK() {
		return s
	}
	c.fua = c.CDB[1]&0x08 != 0
	return c.transfer(d, kind, lba, count)
}

func (cdb *CDB) extent6() (uint64, uint32) {
	count := uint32(cdb[4])
	if count == 0 {
		count = 256
	}
	return uint64(cdb.u32(0) & 0x1fffff), count
}

func (cdb *CDB) extent10() (uint64, uint32) { return uint64(cdb.u32(2)), uint32(cdb.u16(7)) }
func (cdb *CDB) extent12() (uint64, uint32) { return uint64(cdb.u32(2)), cdb.u32(6) }
func (cdb *CDB) extent16() (uint64, uint32) { return cdb.u64(2), cdb.u32(10) }

func decodeRead6(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent6()
	return c.transfer(d, Read, lba, count)
}

func decodeWrite6(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent6()
	return c.transfer(d, Write, lba, count)
}

func decodeRead10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.flagged(d, Read, lba, count)
}

func decodeWrite10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.flagged(d, Write, lba, count)
}

func decodeRead12(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent12()
	return c.flagged(d, Read, lba, count)
}

func decodeWrite12(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent12()
	return c.flagged(d, Write, lba, count)
}

func decodeRead16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.flagged(d, Read, lba, count)
}

func decodeWrite16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.flagged(d, Write, lba, count)
}

// ReadAt fills p with what the command reads from rel bytes after its
// beginning. Both are multiples of block.SectorSize.
func (d *Disk) ReadAt(c *Command, p []byte, rel int64) Sense {
	return d.read(p, c.offset+rel)
}

// Pin is ReadAt for who can send n bytes from a file; see block.Pinner.
func (d *Disk) Pin(c *Command, rel, n int64) (block.Pinned, bool) {
	p, ok := d.dev.(block.Pinner)
	if !ok {
		return block.Pinned{}, false
	}
	return p.Pin(c.offset+rel, n)
}

// read tells of a medium error at which block it is: the INFORMATION field
// (SPC-4, 4.5.2.2).
func (d *Disk) read(p []byte, off int64) Sense {
	_, err := d.dev.ReadAt(p, off)
	s := senseOf(err)
	if s.Key == keyMediumError {
		s.At = 1 + uint64(d.firstUnreadable(p, off)/d.blockSize)
	}
	return s
}

// firstUnreadable returns the first sector that fails of a range of which one
// does, by halves. It uses p, the range's buffer.
func (d *Disk) firstUnreadable(p []byte, off int64) int64 {
	for len(p) > block.SectorSize {
		half := p[:len(p)/2&^(block.SectorSize-1)]
		if _, err := d.dev.ReadAt(half, off); err != nil {
			p = half
		} else {
			p, off = p[len(half):], off+int64(len(half))
		}
	}
	return off
}

// WriteAt does with p what the command does with the data at rel bytes after
// its beginning. Both are multiples of block.SectorSize.
func (d *Disk) WriteAt(c *Command, p []byte, rel int64) Sense {
	if c.verb == orStore {
		return d.orWrite(p, c.offset+rel)
	}
	if c.verb != compare {
		d.order.RLock()
		_, err := d.dev.WriteAt(p, c.offset+rel)
		d.order.RUnlock()
		if err != nil {
			return senseOf(err)
		}
	}
	if c.verb != store {
		s := d.compare(p, c.offset+rel)
		if s.Key == keyMiscompare {
			s.At += uint64(rel)
		}
		return s
	}
	return Sense{}
}

// Finish makes a Write with FUA durable, once all its data is written.
func (d *Disk) Finish(c *Command) Sense {
	if c.fua {
		return senseOf(d.dev.Flush())
	}
	return Sense{}
}

// NeedsFinish tells whether Finish has anything to do.
func (c *Command) NeedsFinish() bool { return c.fua }
