package lab

import "encoding/binary"

// Features of iPXE in its option 175 (iPXE's ipxe/features.h).
const (
	featureISCSI  = 0x11
	featureNobody = 0x7f // none of them
)

// PoorIPXE is a Filter that makes the network believe that the guest's boot ROM is
// an iPXE without iSCSI, until it has asked for a file by TFTP, which is the better
// iPXE that it is given.
type PoorIPXE struct {
	// Always: what it is given is no better.
	Always bool

	rom
}

// Frame changes or passes.
func (p *PoorIPXE) Frame(dir Direction, frame []byte, next func([]byte)) {
	if dir == FromGuest && (p.Always || !p.loaded.Load()) {
		p.disguise(frame, func(message []byte) bool { return takeFeature(message, featureISCSI) })
	}
	next(frame)
}

// takeFeature takes a feature out of the list in option 175, in place.
func takeFeature(message []byte, feature byte) (taken bool) {
	if len(message) < bootpOptions || binary.BigEndian.Uint32(message[bootpOptions-4:]) != dhcpMagic {
		return false
	}
	eachOption(message[bootpOptions:], func(code byte, value []byte) {
		if code != optEtherboot {
			return
		}
		for i := 0; i+1 < len(value); i += 2 + int(value[i+1]) {
			if value[i] == feature {
				value[i], taken = featureNobody, true
			}
		}
	})
	return taken
}

// eachOption calls f with the options of a message, up to one that is cut off.
func eachOption(options []byte, f func(code byte, value []byte)) {
	for len(options) > 0 && options[0] != optEnd {
		if options[0] == optPad {
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			return
		}
		f(options[0], options[2:2+int(options[1])])
		options = options[2+int(options[1]):]
	}
}
