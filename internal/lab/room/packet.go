package room

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// Message types (RFC 2132, 9.6).
const (
	discover = 1
	offer    = 2
	request  = 3
	ack      = 5
	nak      = 6
)

// Options (RFC 2132; RFC 4578; RFC 3004; 175: iPXE's own).
const (
	optRequested  = 50
	optType       = 53
	optServerID   = 54
	optParameters = 55
	optClass      = 60
	optBootFile   = 67
	optUserClass  = 77
	optArch       = 93
	optUUID       = 97
	optIPXE       = 175
	optEnd        = 255
)

const (
	bootpLen   = 236 // RFC 2131, figure 1
	clientPort = 68
	serverPort = 67
)

// mac is the hardware address of machine n. Those that begin with 02:b0:07 are of
// the probes of Boötes, which are told apart.
func mac(n int) net.HardwareAddr {
	return net.HardwareAddr{0x06, 0xb0, 0x07, byte(n >> 16), byte(n >> 8), byte(n)}
}

// MAC is the hardware address of machine n of a room, as text.
func MAC(n int) string { return mac(n).String() }

// message is a client's DHCP message without options.
func message(xid uint32, hw net.HardwareAddr, giaddr netip.Addr, t byte) []byte {
	b := make([]byte, bootpLen, 400)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], xid)
	if giaddr.IsValid() {
		b[3] = 1
		copy(b[24:], giaddr.AsSlice())
	}
	copy(b[28:], hw)
	return append(b, 99, 130, 83, 99, optType, 1, t, optParameters, 6, 1, 3, 6, 51, 54, 67)
}

func option(b []byte, code byte, value []byte) []byte {
	return append(append(b, code, byte(len(value))), value...)
}

// ipxe appends what iPXE of a BIOS says of itself.
func ipxe(b []byte, hw net.HardwareAddr) []byte {
	b = option(b, optClass, []byte("PXEClient:Arch:00000:UNDI:002001"))
	b = option(b, optArch, []byte{0, 0})
	b = option(b, optUUID, append(make([]byte, 11), hw...))
	b = option(b, optUserClass, []byte("iPXE"))
	return option(b, optIPXE, []byte{0xb1, 5, 1, 0x80, 0x86, 0x10, 0x0e, 0x13, 1, 1, 0x11, 1, 1, 0x15, 1, 1})
}

// answer is a server's DHCP message.
type answer struct {
	xid    uint32
	kind   byte
	addr   netip.Addr // yiaddr
	server netip.Addr // option 54
	file   string
}

func parse(b []byte) (a answer, err error) {
	if len(b) < bootpLen+4 || b[0] != 2 {
		return a, fmt.Errorf("not a DHCP answer: %d bytes", len(b))
	}
	a.xid = binary.BigEndian.Uint32(b[4:])
	a.addr, _ = netip.AddrFromSlice(b[16:20])
	for o := b[bootpLen+4:]; len(o) >= 2 && o[0] != optEnd; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		if len(o) < 2+int(o[1]) {
			return a, fmt.Errorf("option %d of a DHCP answer is cut short", o[0])
		}
		v := o[2 : 2+int(o[1])]
		switch o[0] {
		case optType:
			if len(v) == 1 {
				a.kind = v[0]
			}
		case optServerID:
			a.server, _ = netip.AddrFromSlice(v)
		case optBootFile:
			a.file = string(v)
		}
		o = o[2+len(v):]
	}
	return a, nil
}

// udp is an Ethernet frame with a datagram from a client without an address.
func udp(hw net.HardwareAddr, payload []byte) []byte {
	b := make([]byte, 0, 42+len(payload))
	b = append(b, 255, 255, 255, 255, 255, 255)
	b = append(append(b, hw...), 8, 0)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(28+len(payload)))
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255)
	binary.BigEndian.PutUint16(b[24:], ^sum(0, b[14:34]))
	b = binary.BigEndian.AppendUint16(b, clientPort)
	b = binary.BigEndian.AppendUint16(b, serverPort)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// sum is the Internet checksum (RFC 1071), not yet inverted, added to before.
func sum(before uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		before += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		before += uint32(b[0]) << 8
	}
	for before > 0xffff {
		before = before>>16 + before&0xffff
	}
	return uint16(before)
}

// fixTCP writes the checksum of a TCP segment in an IPv4 packet: between network
// namespaces the kernel leaves it to a card that there is none.
func fixTCP(ip []byte) {
	header := int(ip[0]&15) * 4
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if len(ip) < total || ip[9] != 6 || total < header+20 {
		return
	}
	segment := ip[header:total]
	segment[16], segment[17] = 0, 0
	pseudo := uint32(sum(0, ip[12:20])) + 6 + uint32(len(segment))
	binary.BigEndian.PutUint16(segment[16:], ^sum(pseudo, segment))
}
