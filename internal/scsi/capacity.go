package scsi

import (
	"encoding/binary"
	"math"
)

// The RELATIVE ADDRESS and PMI bits are obsolete; an LBA without PMI is an
// error (SBC-2, 5.10), and initiators' test suites check it.
func decodeCapacity10(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[8]&1 == 0 && cdb.u32(2) != 0 {
		return badField(2)
	}
	c.Length = 8
	return Sense{}
}

func readCapacity10(d *Disk, _ *Command, b []byte) ([]byte, Sense) {
	last := min(d.blocks()-1, math.MaxUint32) // more: ask READ CAPACITY (16)
	b = binary.BigEndian.AppendUint32(b, uint32(last))
	return binary.BigEndian.AppendUint32(b, uint32(d.blockSize)), Sense{}
}

func decodeCapacity16(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[14]&1 == 0 && cdb.u64(2) != 0 {
		return badField(2)
	}
	c.Length = int64(cdb.u32(10))
	return Sense{}
}

func readCapacity16(d *Disk, _ *Command, b []byte) ([]byte, Sense) {
	b = binary.BigEndian.AppendUint64(b, d.blocks()-1)
	b = binary.BigEndian.AppendUint32(b, uint32(d.blockSize))
	var rest [20]byte
	rest[1] = d.physicalExponent()
	if !d.id.ReadOnly {
		rest[2] = 0xc0 // LBPME: thin; LBPRZ: unmapped blocks read zero
	}
	return append(b, rest[:]...), Sense{}
}

func decodeReportLUNs(_ *Disk, cdb *CDB, c *Command) Sense {
	if c.Length = int64(cdb.u32(6)); c.Length < 16 {
		return badField(6)
	}
	switch cdb[2] {
	case 0x00, 0x01, 0x02: // all addressable, well known, both
		return Sense{}
	}
	return badField(2)
}

func reportLUNs(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	c.nexus.sawLUNs()
	luns := c.nexus.target.luns()
	if c.CDB[2] == 0x01 { // there are no well-known units here
		luns = nil
	}
	b = binary.BigEndian.AppendUint32(b, uint32(8*len(luns)))
	b = append(b, 0, 0, 0, 0)
	for _, lun := range luns {
		b = append(b, 0, lun, 0, 0, 0, 0, 0, 0)
	}
	return b, Sense{}
}

// requestSense: nothing is kept after autosense, so what is reported is a
// pending unit attention or NO SENSE.
func requestSense(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	s := noUnit
	if !d.absent() {
		s = c.nexus.take(c.lun)
	}
	if c.CDB[1]&1 != 0 { // DESC
		return s.appendDescriptors(b), Sense{}
	}
	return s.appendFixed(b), Sense{}
}
