package capture

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"bootes.dev/internal/iscsi/pdu"
)

var (
	ports  = Ports{HTTP: 80, TFTP: 69, ISCSI: 3260}
	pc     = MAC{0x52, 0x54, 0, 0, 0, 1}
	server = MAC{0x52, 0x54, 0, 0, 0, 0xfe}
	all    = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	pcAt   = netip.MustParseAddr("10.77.0.100")
	ourAt  = netip.MustParseAddr("10.77.0.1")
)

func ether(from, to MAC, kind uint16, payload []byte) []byte {
	b := append(append([]byte{}, to[:]...), from[:]...)
	b = append(binary.BigEndian.AppendUint16(b, kind), payload...)
	for len(b) < 60 { // as on a wire
		b = append(b, 0)
	}
	return b
}

func ipv4(from, to MAC, src, dst netip.Addr, proto byte, payload []byte, options ...byte) []byte {
	b := append([]byte{0x45 + byte(len(options)/4), 0}, binary.BigEndian.AppendUint16(nil, uint16(20+len(options)+len(payload)))...)
	b = append(b, 0, 1, 0, 0, 64, proto, 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return ether(from, to, etherIPv4, append(append(b, options...), payload...))
}

func udp(src, dst uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src), dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

const (
	fin = 1
	syn = 2
	rst = 4
	ack = 0x10
)

func tcp(src, dst uint16, flags byte, payload string) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src), dst)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 8<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2) // timestamps
	return append(b, payload...)
}

// in and out are frames between the machine and us.
func in(proto byte, payload []byte) []byte  { return ipv4(pc, server, pcAt, ourAt, proto, payload) }
func out(proto byte, payload []byte) []byte { return ipv4(server, pc, ourAt, pcAt, proto, payload) }

func dhcp(mac MAC, xid uint32, options ...byte) []byte {
	b := make([]byte, dhcpHeader)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], xid)
	copy(b[28:], mac[:])
	b = binary.BigEndian.AppendUint32(b, dhcpCookie)
	return append(append(b, options...), optEnd)
}

func discover(mac MAC) []byte {
	return ipv4(mac, all, netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255"), protoUDP, udp(68, 67, dhcp(mac, 7, 53, 1, 1)))
}

func arp(from, to MAC, op byte, sender, target netip.Addr) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, from[:]...)
	b = append(append(b, sender.AsSlice()...), to[:]...)
	return ether(from, to, etherARP, append(b, target.AsSlice()...))
}

func tftp(op byte, rest string) []byte { return append([]byte{0, op}, rest...) }

func login(text string) string {
	b, err := (&pdu.LoginRequest{Transit: true, Stage: pdu.SecurityStage, Next: pdu.OperationalStage, DataLength: len(text)}).AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return padded(string(b) + text)
}

func loginResponse(status uint16, text string) string {
	b, err := (&pdu.LoginResponse{Status: status, DataLength: len(text)}).AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return padded(string(b) + text)
}

func padded(s string) string { return s + strings.Repeat("\x00", (4-len(s)%4)%4) }
