package scsi

import (
	"encoding/binary"
	"math"
)

// What READ TOC knows a track by.
const (
	dataTrack = 0x14 // ADR 1: the position; CONTROL 4: data, not to be copied
	leadOut   = 0xaa
)

// decodeTOC: ATAPI drives of old had the format in the last byte, where Linux
// still has it when it looks for sessions.
func decodeTOC(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u16(7))
	if c.CDB[2] &= 0x0f; c.CDB[2] == 0 {
		c.CDB[2] = cdb[9] >> 6
	}
	return Sense{}
}

// readTOC answers READ TOC/PMA/ATIP (MMC-6, 6.25) in the formats that there
// are for a disc that was not written here:
//
//	0 | length, 2 | first track or session | last | descriptors
func readTOC(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	const tracks, sessions, whole = 0, 1, 2
	start := len(b)
	b = append(b, 0, 0, 1, 1)
	switch format := c.CDB[2]; format {
	case tracks:
		from := c.CDB[6]
		if from > 1 && from != leadOut {
			return b, badField(6)
		}
		if from <= 1 {
			b = append(b, 0, dataTrack, 1, 0)
			b = d.appendAddress(b, c, 0)
		}
		b = append(b, 0, dataTrack, leadOut, 0)
		b = d.appendAddress(b, c, d.blocks())
	case sessions:
		b = append(b, 0, dataTrack, 1, 0)
		b = d.appendAddress(b, c, 0)
	case whole:
		b = d.appendWholeTOC(b)
	default:
		return b, badField(2)
	}
	binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start-2))
	return b, Sense{}
}

// appendAddress appends a block address, or with the MSF bit set a time.
func (d *Disk) appendAddress(b []byte, c *Command, lba uint64) []byte {
	if c.CDB[1]&0x02 != 0 {
		return appendTime(append(b, 0), lba)
	}
	return binary.BigEndian.AppendUint32(b, uint32(min(lba, math.MaxUint32)))
}

// appendTime appends minute, second and frame, which begin 2 seconds before
// the first block. Discs larger than any CD end at the last time there is.
func appendTime(b []byte, lba uint64) []byte {
	const second, lastTime = 75, 256*60*75 - 1
	t := min(lba+2*second, lastTime)
	return append(b, byte(t/second/60), byte(t/second%60), byte(t%second))
}

// appendWholeTOC appends the lead-in's entries (MMC-6, 6.25.3.4): the first
// track, the last, the lead-out, and the track itself.
func (d *Disk) appendWholeTOC(b []byte) []byte {
	const firstTrack, lastTrack, whereOut = 0xa0, 0xa1, 0xa2
	for _, point := range []byte{firstTrack, lastTrack, whereOut, 1} {
		b = append(b, 1, dataTrack, 0, point, 0, 0, 0, 0)
		switch point {
		case firstTrack, lastTrack:
			b = append(b, 1, 0, 0)
		case whereOut:
			b = appendTime(b, d.blocks())
		default:
			b = appendTime(b, 0)
		}
	}
	return b
}

// discInformation answers READ DISC INFORMATION (MMC-6, 6.21).
func discInformation(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	if c.CDB[1]&0x07 != 0 { // anything but the standard information
		return b, badField(1)
	}
	p := [34]byte{1: 32, 2: 0x0e /* finished, and its last session */, 3: 1, 4: 1, 5: 1, 6: 1}
	p[7] = 0x20 // URU: for any use
	for i := 16; i < 24; i++ {
		p[i] = 0xff // where another session would go: nowhere
	}
	return append(b, p[:]...), Sense{}
}

// trackInformation answers READ TRACK INFORMATION (MMC-6, 6.26) by block,
// track or session.
func trackInformation(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	const byBlock, byTrack, bySession = 0, 1, 2
	at := uint64(c.CDB.u32(2))
	switch c.CDB[1] & 0x03 {
	case byBlock:
		if at >= d.blocks() {
			return b, lbaOutOfRange
		}
	case byTrack, bySession:
		if at != 1 {
			return b, badField(2)
		}
	default:
		return b, badField(1)
	}
	const dataMode1 = 0x01
	p := [36]byte{1: 34, 2: 1, 3: 1, 5: dataTrack & 0x0f, 6: dataMode1}
	binary.BigEndian.PutUint32(p[24:], uint32(min(d.blocks(), math.MaxUint32)))
	return append(b, p[:]...), Sense{}
}

func decodeStructure(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u16(8))
	return Sense{}
}

// discStructure answers READ DISC STRUCTURE (MMC-6, 6.22), which only DVDs
// have: the physical format, and that nothing is protected.
//
//	0 | length, 2 | reserved, 2 | structure
func discStructure(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	const dvd, physical, copyright = 0, 0x00, 0x01
	switch {
	case c.CDB[1]&0x0f != dvd:
		return b, badField(1)
	case d.profile() != profileDVD:
		return b, wrongMedium
	case c.CDB[6] != 0: // there is one layer
		return b, badField(6)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	switch c.CDB[7] {
	case physical:
		b = append(b, d.physicalFormat()...)
	case copyright:
		b = append(b, 0, 0, 0, 0)
	default:
		return b, badField(7)
	}
	binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start-2))
	return b, Sense{}
}

// physicalFormat is a DVD-ROM of 120 mm with one layer. Its first sector has the
// number 30000h, whatever its block.
func (d *Disk) physicalFormat() []byte {
	const version, anyRate, embossed, first = 0x01, 0x0f, 0x01, 0x030000
	p := make([]byte, 2048)
	p[0], p[1], p[2] = version, anyRate, embossed
	binary.BigEndian.PutUint32(p[4:], first)
	binary.BigEndian.PutUint32(p[8:], uint32(min(first+d.blocks()-1, 0xffffff)))
	return p
}
