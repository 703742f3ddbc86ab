package scsi

import "encoding/binary"

// Mode pages (SBC-3, 6.4; SPC-4, 7.5).
const (
	pageRecovery = 0x01
	pageCaching  = 0x08
	pageControl  = 0x0a
	pageExcept   = 0x1c
	pageAll      = 0x3f

	subProvisioning = 0x02 // of pageExcept
	subAll          = 0xff
)

// Page control: which values are asked for.
const (
	pcCurrent    = 0
	pcChangeable = 1
	pcDefault    = 2
	pcSaved      = 3
)

// Mode parameters that can be changed. They last until the disk is reset or
// its units are closed: saving them is not supported.
const (
	modeWCE    = 1 << iota // writes are durable only after SYNCHRONIZE CACHE or FUA
	modeDSense             // sense data is in descriptor format
	modeSWP                // software write protect
)

// modeBits is where they are.
var modeBits = [...]struct {
	page byte
	at   int
	mask byte
	flag uint32
}{
	{pageCaching, 2, 0x04, modeWCE},
	{pageControl, 2, 0x04, modeDSense},
	{pageControl, 4, 0x08, modeSWP},
}

// changeableModes are the flags that may change. A disk that wrote through at
// first has no cache to be enabled.
func (d *Disk) changeableModes() uint32 { return d.defaults | modeDSense | modeSWP }

// modePage is a page without the bits that can be changed.
type modePage struct {
	code, sub byte
	body      []byte // after the header
}

// modePages are all pages, in order.
func (d *Disk) modePages() []modePage {
	if d.kind == typeDisc {
		return discPages()
	}
	recovery := []byte{0xc0 /* AWRE, ARRE: bad blocks are the server's matter */, 9: 0}
	pages := []modePage{
		{pageRecovery, 0, recovery},
		{pageCaching, 0, make([]byte, 18)},
		// QUEUE ALGORITHM MODIFIER 1: commands may be reordered.
		{pageControl, 0, []byte{1: 0x10, 9: 0}},
		// Informational exceptions: none are reported.
		{pageExcept, 0, make([]byte, 10)},
	}
	if d.id.Provisioning != nil {
		recovery[5] = 0x80 // LBPERE: thresholds are reported
		pages = append(pages, modePage{pageExcept, subProvisioning, d.thresholds()})
	}
	return pages
}

// append appends the page with the values that are asked for.
func (p *modePage) append(d *Disk, b []byte, control byte) []byte {
	start := len(b)
	if p.sub == 0 {
		b = append(b, p.code, byte(len(p.body)))
	} else {
		b = append(b, p.code|0x40 /* SPF */, p.sub)
		b = binary.BigEndian.AppendUint16(b, uint16(len(p.body)))
	}
	body := len(b)
	b = append(b, p.body...)
	flags := d.modes.Load()
	switch control {
	case pcChangeable:
		clear(b[body:])
		flags = d.changeableModes()
	case pcDefault:
		flags = d.defaults
	}
	for _, bit := range modeBits {
		if bit.page == p.code && p.sub == 0 && flags&bit.flag != 0 {
			b[start+bit.at] |= bit.mask
		}
	}
	return b
}

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

// deviceSpecific: WP, and DPOFUA since DPO and FUA are honoured. It is reserved
// for a CD-ROM (MMC-6, 7.2).
func (d *Disk) deviceSpecific() byte {
	if d.kind == typeDisc {
		return 0
	}
	if !d.writable().OK() {
		return 0x90
	}
	return 0x10
}

// modeData appends the block descriptor, whose length goes to byte at of the
// header, and the pages asked for.
func (d *Disk) modeData(c *Command, b []byte, at int) ([]byte, Sense) {
	start := len(b) - at - 1 // the header is at+1 bytes long
	if noDescriptor := c.CDB[1]&0x08 != 0; !noDescriptor && d.kind == typeDisk {
		b[start+at] = 8
		blocks := uint32(min(d.blocks(), 0xffffffff))
		b = binary.BigEndian.AppendUint32(b, blocks)
		b = binary.BigEndian.AppendUint32(b, uint32(d.blockSize))
	}
	control, page, sub := c.CDB[2]>>6, c.CDB[2]&0x3f, c.CDB[3]
	if control == pcSaved {
		return b, savingUnsupported
	}
	known := false
	for _, p := range d.modePages() {
		if page != p.code && page != pageAll {
			continue
		}
		known = true
		if sub == p.sub || sub == subAll {
			b = p.append(d, b, control)
		}
	}
	switch {
	case !known:
		return b, badField(2)
	case sub != 0 && sub != subAll && (page != pageExcept || sub != subProvisioning || d.id.Provisioning == nil):
		return b, badField(3)
	}
	return b, Sense{}
}
