package scsi

import "encoding/binary"

// Mode pages (SBC-3, 6.4; SPC-4, 7.5).
const (
	pageCaching = 0x08
	pageControl = 0x0a
	pageExcept  = 0x1c
	pageAll     = 0x3f
)

// Page control: which values are asked for.
const (
	pcCurrent    = 0
	pcChangeable = 1
	pcDefault    = 2
	pcSaved      = 3
)

func modeSense6(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	start := len(b)
	b = append(b, 0, 0, d.deviceSpecific(), 0)
	b, sense := d.modeData(c, b, 3)
	if sense.OK() {
		b[start] = byte(len(b) - start - 1)
	}
	return b, sense
}

func modeSense10(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	start := len(b)
	b = append(b, 0, 0, 0, d.deviceSpecific(), 0, 0, 0, 0)
	b, sense := d.modeData(c, b, 7)
	if sense.OK() {
		binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start-2))
	}
	return b, sense
}

// deviceSpecific: WP, and DPOFUA since DPO and FUA are honoured.
func (d *Disk) deviceSpecific() byte {
	if d.id.ReadOnly {
		return 0x90
	}
	return 0x10
}

// modeData appends the block descriptor, whose length goes to byte at of the
// header, and the pages asked for.
func (d *Disk) modeData(c *Command, b []byte, at int) ([]byte, Sense) {
	start := len(b) - at - 1 // the header is at+1 bytes long
	if noDescriptor := c.CDB[1]&0x08 != 0; !noDescriptor {
		b[start+at] = 8
		blocks := uint32(min(d.blocks(), 0xffffffff))
		b = binary.BigEndian.AppendUint32(b, blocks)
		b = binary.BigEndian.AppendUint32(b, BlockSize)
	}
	control, page, sub := c.CDB[2]>>6, c.CDB[2]&0x3f, c.CDB[3]
	if control == pcSaved {
		return b, savingUnsupported
	}
	if sub != 0 && (sub != 0xff || page != pageAll) {
		return b, badField(3)
	}
	known := len(b)
	for _, p := range modePages {
		if page == p[0] || page == pageAll {
			b = appendPage(b, p, control)
		}
	}
	if len(b) == known {
		return b, badField(2)
	}
	return b, Sense{}
}

// modePages are the current and default values; nothing can be changed.
var modePages = [][]byte{
	// Caching: WCE, writes are durable only after SYNCHRONIZE CACHE or FUA.
	{pageCaching, 0x12, 0x04, 17: 0, 19: 0},
	// Control: QUEUE ALGORITHM MODIFIER 1, commands may be reordered.
	{pageControl, 0x0a, 0x00, 0x10, 11: 0},
	// Informational exceptions: none are reported.
	{pageExcept, 0x0a, 11: 0},
}

func appendPage(b, page []byte, control byte) []byte {
	start := len(b)
	b = append(b, page...)
	if control == pcChangeable {
		clear(b[start+2:])
	}
	return b
}
