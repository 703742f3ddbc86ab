package lab

import (
	"encoding/binary"
	"sync/atomic"
)

const (
	portDHCPServer = 67
	portTFTP       = 69
	portBINL       = 4011 // PXE boot server and proxy DHCP
	portISCSI      = 3260

	bootpOptions = 240 // offset of the first option: RFC 2131, 2
	dhcpMagic    = 0x63825363
	optPad       = 0
	optUserClass = 77  // RFC 3004; "iPXE"
	optEtherboot = 175 // iPXE's own encapsulated options
	optEnd       = 255

	tftpRRQ  = 1 // RFC 1350, 5
	tftpData = 3
)

// PlainROM is a Filter that hides from the network that the guest's boot ROM is
// iPXE, which QEMU's is: it takes options 77 and 175 out of the guest's DHCP
// messages until the guest has asked for a file by TFTP. That file is the boot
// loader which the server gives to plain ROMs, and its messages pass unchanged.
// A power cycle brings the ROM back.
type PlainROM struct{ rom }

// Frame hides or passes.
func (p *PlainROM) Frame(dir Direction, frame []byte, next func([]byte)) {
	if dir == FromGuest && !p.loaded.Load() {
		p.disguise(frame, func(message []byte) bool { return dropOptions(message, optUserClass, optEtherboot) })
	}
	next(frame)
}

// rom disguises the guest's boot ROM until it has asked for a file by TFTP.
type rom struct{ loaded atomic.Bool }

// Reset is called when the guest starts anew.
func (r *rom) Reset() { r.loaded.Store(false) }

// disguise has change, which reports whether it did, change the guest's DHCP
// messages in place.
func (r *rom) disguise(frame []byte, change func(message []byte) bool) {
	u, ok := parseUDP(frame)
	if !ok {
		return
	}
	switch u.to {
	case portTFTP:
		if len(u.payload) >= 2 && binary.BigEndian.Uint16(u.payload) == tftpRRQ {
			r.loaded.Store(true)
		}
	case portDHCPServer, portBINL:
		if change(u.payload) {
			u.fixChecksum()
		}
	}
}

// dropOptions removes DHCP options in place and fills the end with padding, so
// that no length changes. It reports whether there was anything to remove; a
// message that is not well formed stays as it is.
func dropOptions(message []byte, codes ...byte) bool {
	if len(message) < bootpOptions || binary.BigEndian.Uint32(message[bootpOptions-4:]) != dhcpMagic {
		return false
	}
	options := message[bootpOptions:]
	kept := make([]byte, 0, len(options))
	for i := 0; i < len(options); {
		code := options[i]
		if code == optEnd {
			break
		}
		if code == optPad {
			i++
			continue
		}
		if i+1 >= len(options) || i+2+int(options[i+1]) > len(options) {
			return false
		}
		end := i + 2 + int(options[i+1])
		if !contains(codes, code) {
			kept = append(kept, options[i:end]...)
		}
		i = end
	}
	if len(kept) == len(options) {
		return false
	}
	kept = append(kept, optEnd)
	n := copy(options, kept)
	clear(options[n:])
	return true
}

func contains(codes []byte, code byte) bool {
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return false
}
