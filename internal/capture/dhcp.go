package capture

import (
	"encoding/binary"
	"strings"
)

// dhcpMessage is what is looked at of a DHCP message (RFC 2131, 2):
//
//	0 op │ 1 htype │ 2 hlen │ 4 xid │ 24 giaddr │ 28 chaddr │ 236 cookie │ 240 options
type dhcpMessage struct {
	mac        MAC
	xid        uint32
	marked     bool   // its client says that it is simulated
	simulation string // that it says it belongs to; "": to none
	relayed    bool
}

const (
	dhcpLeast   = 34 // up to chaddr
	dhcpHeader  = 236
	dhcpCookie  = 0x63825363
	dhcpOptions = 240

	optPad      = 0
	optEnd      = 255
	optClientID = 61 // RFC 2132, 9.14
)

// simulated begins the client identifier (of type 0) of a simulated client. The
// name of its simulation may follow, behind a colon.
const simulated = "\x00bootes-simulate"

func parseDHCP(b []byte) (m dhcpMessage, ok bool) {
	if len(b) < dhcpLeast || b[1] != 1 || b[2] != 6 {
		return m, false
	}
	m.mac, m.xid = MAC(b[28:34]), binary.BigEndian.Uint32(b[4:])
	m.relayed = [4]byte(b[24:28]) != [4]byte{}
	rest, ok := strings.CutPrefix(string(dhcpOption(b, optClientID)), simulated)
	if m.marked = ok; ok {
		m.simulation = strings.TrimPrefix(rest, ":")
	}
	return m, true
}

// dhcpOption finds the first option of a number; nil: there is none.
func dhcpOption(b []byte, number byte) []byte {
	if len(b) < dhcpOptions || binary.BigEndian.Uint32(b[dhcpHeader:]) != dhcpCookie {
		return nil
	}
	for b = b[dhcpOptions:]; len(b) >= 2 && b[0] != optEnd; {
		if b[0] == optPad {
			b = b[1:]
			continue
		}
		end := 2 + int(b[1])
		if end > len(b) {
			return nil
		}
		if b[0] == number {
			return b[2:end]
		}
		b = b[end:]
	}
	return nil
}
