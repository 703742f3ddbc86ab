package scsi

import (
	"bytes"
	"encoding/binary"
)

func decodeModeSelect6(_ *Disk, cdb *CDB, c *Command) Sense {
	return c.decodeModeSelect(int64(cdb[4]))
}

func decodeModeSelect10(_ *Disk, cdb *CDB, c *Command) Sense {
	return c.decodeModeSelect(int64(cdb.u16(7)))
}

func (c *Command) decodeModeSelect(length int64) Sense {
	if c.CDB[1]&0x11 != 0x10 { // PF, and SP: pages, and they cannot be saved
		return badField(1)
	}
	if length > 0 {
		c.Kind, c.verb, c.Length = Parameters, selectModes, length
	}
	return Sense{}
}

// modeSelect reads a parameter list and makes it the mode parameters of all
// nexuses, whole or not at all (SPC-4, 6.11):
//
//	header, 4 or 8 bytes | block descriptor, 0 or 8 bytes | pages
func (d *Disk) modeSelect(c *Command, p []byte) Sense {
	at, descriptor := 4, 0
	if c.CDB[0] == opModeSelect10 {
		at = 8
	}
	if len(p) < at {
		return paramListLength
	}
	if descriptor = int(p[at-1]); at == 8 {
		descriptor = int(binary.BigEndian.Uint16(p[6:]))
	}
	if descriptor > 0 {
		if s := d.checkDescriptor(p, at, descriptor); !s.OK() {
			return s
		}
		at += descriptor
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	flags, s := d.selectPages(p, at)
	if !s.OK() {
		return s
	}
	if d.modes.Swap(flags) != flags {
		d.announce(c.nexus, ModeChanged)
	}
	return Sense{}
}

// checkDescriptor: the capacity may be named as it is, 0 or all ones, for
// "leave it"; the block is what it is.
func (d *Disk) checkDescriptor(p []byte, at, length int) Sense {
	switch {
	case length != 8:
		return badParam(at - 1)
	case len(p) < at+length:
		return paramListLength
	}
	blocks := binary.BigEndian.Uint32(p[at:])
	if now := uint32(min(d.blocks(), 0xffffffff)); blocks != 0 && blocks != 0xffffffff && blocks != now {
		return badParam(at)
	}
	if binary.BigEndian.Uint32(p[at+4:])&0xffffff != uint32(d.blockSize) {
		return badParam(at + 5)
	}
	return Sense{}
}

// selectPages returns the flags that the pages from at on ask for. d.mu is held.
func (d *Disk) selectPages(p []byte, at int) (uint32, Sense) {
	flags := d.modes.Load()
	pages := d.modePages()
	for at < len(p) {
		page := findPage(pages, p[at:])
		if page == nil {
			return 0, badParam(at)
		}
		now, mask := page.append(d, nil, pcCurrent), page.append(d, nil, pcChangeable)
		if len(p)-at < len(now) {
			return 0, paramListLength
		}
		wanted := bytes.Clone(p[at : at+len(now)])
		wanted[0] &^= 0x80 // PS is reserved here
		header := len(now) - len(page.body)
		for i := range now {
			if i < header && wanted[i] != now[i] || i >= header && (wanted[i]^now[i])&^mask[i] != 0 {
				return 0, badParam(at + i)
			}
		}
		flags = page.flags(flags, wanted)
		at += len(now)
	}
	return flags, Sense{}
}

func findPage(pages []modePage, p []byte) *modePage {
	code, sub := p[0]&0x3f, byte(0)
	if p[0]&0x40 != 0 && len(p) > 1 {
		sub = p[1]
	}
	for i := range pages {
		if pages[i].code == code && pages[i].sub == sub {
			return &pages[i]
		}
	}
	return nil
}

// flags returns flags with the bits that the page p sets and clears.
func (p *modePage) flags(flags uint32, wanted []byte) uint32 {
	for _, bit := range modeBits {
		if bit.page != p.code || p.sub != 0 {
			continue
		}
		flags &^= bit.flag
		if wanted[bit.at]&bit.mask != 0 {
			flags |= bit.flag
		}
	}
	return flags
}
