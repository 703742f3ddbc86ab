package scsi

import "bytes"

// samePiece is how much WRITE SAME writes at a time.
const samePiece = 64 << 10

func decodeWriteSame10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.decodeSame(d, lba, count, false)
}

func decodeWriteSame16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.decodeSame(d, lba, count, cdb[1]&0x01 != 0)
}

// decodeSame: noData is NDOB, zeros without a data-out buffer. A count of 0
// means "to the end", which WSNZ in VPD page B0h says is not supported.
func (c *Command) decodeSame(d *Disk, lba uint64, count uint32, noData bool) Sense {
	if s := d.writable(); !s.OK() {
		return s
	}
	if s := protect(&c.CDB); !s.OK() {
		return s
	}
	if c.CDB[1]&0x10 != 0 { // ANCHOR
		return badField(1)
	}
	if count == 0 || int64(count) > maxSame/d.blockSize {
		// The transfer length: byte 7 of the 10-byte CDB, 10 of the other.
		return badField(map[bool]int{true: 7, false: 10}[c.CDB[0] == opWriteSame10])
	}
	c.Kind, c.verb, c.Length = Parameters, same, d.blockSize
	if noData {
		c.Kind, c.Length = Slow, 0
	}
	return c.extent(d, lba, count)
}

// writeSame writes one block over the whole range. Zeros are unmapped whether
// or not the UNMAP bit is set: the device promises that the range reads zero
// afterwards, and a disk that is thin everywhere has nothing to provision.
func (d *Disk) writeSame(c *Command, one []byte) Sense {
	if c.Kind == Parameters && int64(len(one)) != d.blockSize {
		return paramListLength
	}
	if zero(one) { // or none: NDOB
		return senseOf(d.dev.Unmap(c.offset, c.span))
	}
	p := bytes.Repeat(one, int(min(samePiece, c.span)/d.blockSize))
	for done := int64(0); done < c.span; {
		n := min(int64(len(p)), c.span-done)
		if _, err := d.dev.WriteAt(p[:n], c.offset+done); err != nil {
			return senseOf(err)
		}
		done += n
	}
	return Sense{}
}

func zero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
