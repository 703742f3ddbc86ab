package scsi

import "bytes"

// verifyPiece is how much VERIFY reads at a time.
const verifyPiece = 64 << 10

// decodeVerify: BYTCHK 0 checks that the medium can be read, 1 compares it
// with the data sent, 3 each block with the one sent.
func (c *Command) decodeVerify(d *Disk, lba uint64, count uint32) Sense {
	if s := protect(&c.CDB); !s.OK() {
		return s
	}
	switch c.CDB[1] >> 1 & 3 {
	case 0:
		c.Kind, c.verb = Slow, check
		return c.extent(d, lba, count)
	case 1:
		c.verb, c.Kind = compare, Write
		s := c.extent(d, lba, count)
		c.Length = c.span
		return s
	case 3:
		if s := c.extent(d, lba, count); !s.OK() || count == 0 {
			return s
		}
		c.Kind, c.verb, c.Length = Parameters, compareOne, d.blockSize
		return Sense{}
	}
	return badField(1)
}

func (c *Command) decodeWriteVerify(d *Disk, lba uint64, count uint32) Sense {
	if s := protect(&c.CDB); !s.OK() {
		return s
	}
	if c.CDB[1]>>1&3 > 1 {
		return badField(1)
	}
	// The data must be on the medium before it is compared there.
	c.verb, c.fua = storeCompare, true
	return c.transfer(d, Write, lba, count)
}

func decodeVerify10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.decodeVerify(d, lba, count)
}

func decodeVerify12(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent12()
	return c.decodeVerify(d, lba, count)
}

func decodeVerify16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.decodeVerify(d, lba, count)
}

func decodeWriteVerify10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.decodeWriteVerify(d, lba, count)
}

func decodeWriteVerify12(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent12()
	return c.decodeWriteVerify(d, lba, count)
}

func decodeWriteVerify16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.decodeWriteVerify(d, lba, count)
}

// compare tells whether the disk holds want at off, and if not where it is
// different (SBC-3, 5.3: the INFORMATION field).
func (d *Disk) compare(want []byte, off int64) Sense {
	have := make([]byte, min(verifyPiece, len(want)))
	for done := 0; len(want) > 0; done += len(have) {
		n := min(len(have), len(want))
		if s := d.read(have[:n], off); !s.OK() {
			return s
		}
		if !bytes.Equal(have[:n], want[:n]) {
			s := miscompare
			s.At = uint64(done+firstDifference(have[:n], want[:n])) + 1
			return s
		}
		want, off = want[n:], off+int64(n)
	}
	return Sense{}
}

// compareEach compares every block of the range with one.
func (d *Disk) compareEach(c *Command, one []byte) Sense {
	if int64(len(one)) != d.blockSize {
		return paramListLength
	}
	want := bytes.Repeat(one, int(min(verifyPiece, c.span)/d.blockSize))
	for done := int64(0); done < c.span; done += int64(len(want)) {
		s := d.compare(want[:min(int64(len(want)), c.span-done)], c.offset+done)
		if !s.OK() {
			if s.Key == keyMiscompare { // where in the block, which is all that was sent
				s.At = (s.At-1)%uint64(d.blockSize) + 1
			}
			return s
		}
	}
	return Sense{}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// check reads a range and drops what it read.
func (d *Disk) check(off, length int64) Sense {
	p := make([]byte, min(verifyPiece, length))
	for length > 0 {
		n := min(int64(len(p)), length)
		if s := d.read(p[:n], off); !s.OK() {
			return s
		}
		off, length = off+n, length-n
	}
	return Sense{}
}
