package scsi

import "encoding/binary"

// Log pages (SPC-4, 7.3; SBC-3, 6.3).
const (
	logSupported    = 0x00
	logProvisioning = 0x0c
)

func decodeLogSense(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[1]&0x03 != 0 { // SP: nothing is saved; PPC: obsolete
		return badField(1)
	}
	c.Length = int64(cdb.u16(7))
	return Sense{}
}

// logSense answers with a page:
//
//	0 | page | subpage | length, 2 | parameters from the one asked for on
//
// The page control does not matter: what is here are lists, not counters.
func logSense(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	start := len(b)
	page, sub, from := c.CDB[2]&0x3f, c.CDB[3], c.CDB.u16(5)
	if sub != 0 && (sub != subAll || page != logSupported) {
		return b, badField(3)
	}
	spf := byte(0)
	if sub != 0 {
		spf = 0x40
	}
	b = append(b, page|spf, sub, 0, 0)
	switch {
	case page == logSupported && from == 0:
		b = d.logPages(b, sub == subAll)
	case page == logProvisioning && d.id.Provisioning != nil && from <= logUsed:
		b = d.logSpace(b, from)
	case page == logSupported, page == logProvisioning && d.id.Provisioning != nil:
		return b, badField(5)
	default:
		return b, badField(2)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start-4))
	return b, Sense{}
}

func (d *Disk) logPages(b []byte, subpages bool) []byte {
	pages := []byte{logSupported}
	if d.id.Provisioning != nil {
		pages = append(pages, logProvisioning)
	}
	for _, p := range pages {
		if b = append(b, p); subpages {
			b = append(b, 0)
		}
	}
	if subpages {
		b = append(b, logSupported, subAll)
	}
	return b
}

// Parameters of the Logical Block Provisioning log page.
const (
	logAvailable = 0x0001
	logUsed      = 0x0002
)

// logSpace appends what is available, where there is a limit, and what is used.
func (d *Disk) logSpace(b []byte, from uint16) []byte {
	p := d.id.Provisioning()
	if from <= logAvailable && p.Limit > 0 {
		b = appendResource(b, logAvailable, units(p.Limit-p.Used))
	}
	return appendResource(b, logUsed, units(p.Used))
}

// appendResource: a binary list parameter; the resource is the unit's own.
func appendResource(b []byte, code uint16, n uint32) []byte {
	const list, dedicated = 0x03, 0x01
	b = binary.BigEndian.AppendUint16(b, code)
	b = append(b, list, 8)
	b = binary.BigEndian.AppendUint32(b, n)
	return append(b, dedicated, 0, 0, 0)
}
