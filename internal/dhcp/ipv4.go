package dhcp

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

const (
	ipv4HeaderLen = 20
	udpHeaderLen  = 8
	protocolUDP   = 17
)

// repliesOnly is the kernel filter of a probe's socket, which sees packets from
// their IPv4 header on: UDP to port 68, not a later fragment.
var repliesOnly = assemble([]bpf.Instruction{
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolUDP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
	bpf.LoadMemShift{Off: 0},
	bpf.LoadIndirect{Off: 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ClientPort, SkipTrue: 1},
	bpf.RetConstant{Val: maxDatagram},
	bpf.RetConstant{Val: 0},
})

func assemble(program []bpf.Instruction) []bpf.RawInstruction {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err) // the program above is constant
	}
	return raw
}

// appendUDP appends an IPv4 packet (RFC 791, 3.1) that holds a UDP datagram
// (RFC 768).
func appendUDP(b []byte, from, to netip.Addr, fromPort, toPort uint16, payload []byte) []byte {
	start := len(b)
	length := uint16(udpHeaderLen + len(payload))
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, ipv4HeaderLen+length)
	b = append(b, 0, 0, 0, 0, 64, protocolUDP, 0, 0)
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	header := b[start : start+ipv4HeaderLen]
	binary.BigEndian.PutUint16(header[10:], ^fold(sum(header)))
	b = binary.BigEndian.AppendUint16(b, fromPort)
	b = binary.BigEndian.AppendUint16(b, toPort)
	b = binary.BigEndian.AppendUint16(b, length)
	b = append(append(b, 0, 0), payload...)
	udp := b[start+ipv4HeaderLen:]
	// The pseudo header: both addresses, the protocol, the length.
	check := ^fold(sum(header[12:]) + protocolUDP + uint32(length) + sum(udp))
	if check == 0 {
		check = 0xffff // 0 says that there is none
	}
	binary.BigEndian.PutUint16(udp[6:], check)
	return b
}

// sum adds up 16-bit words, as the Internet checksum (RFC 1071) does.
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// parseUDP takes a UDP datagram to a port out of an IPv4 packet. Checksums are
// the network card's business: packets between namespaces may have none yet.
func parseUDP(b []byte, toPort uint16) (from netip.Addr, payload []byte, ok bool) {
	if len(b) < ipv4HeaderLen || b[0]>>4 != 4 || b[9] != protocolUDP {
		return from, nil, false
	}
	header := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff // offset, or more to come
	if header < ipv4HeaderLen || total < header+udpHeaderLen || total > len(b) || fragment != 0 {
		return from, nil, false
	}
	udp := b[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if binary.BigEndian.Uint16(udp[2:]) != toPort || length < udpHeaderLen || length > len(udp) {
		return from, nil, false
	}
	from, _ = netip.AddrFromSlice(b[12:16])
	return from, udp[udpHeaderLen:length], true
}
