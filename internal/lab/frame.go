package lab

import "encoding/binary"

// Offsets in an untagged Ethernet frame that carries IPv4 and UDP.
const (
	ethernetLen   = 14
	etherTypeIPv4 = 0x0800
	protoTCP      = 6
	protoUDP      = 17
	udpLen        = 8
)

// udpFrame is a frame with the places of what the lab's filters look at. Its
// slices are parts of the frame.
type udpFrame struct {
	ip       []byte // IPv4 header
	udp      []byte // UDP header and payload
	payload  []byte
	from, to uint16 // ports
}

// ipPacket is an IPv4 packet that is no fragment. Its slices are parts of the frame.
type ipPacket struct {
	packet   []byte // all of it
	header   []byte
	payload  []byte
	protocol byte
}

// parseIPv4 finds the packet in a frame; ok is false when there is none or only a
// fragment of one.
func parseIPv4(frame []byte) (p ipPacket, ok bool) {
	if len(frame) < ethernetLen+20 || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv4 {
		return p, false
	}
	ip := frame[ethernetLen:]
	header := int(ip[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0]>>4 != 4 || header < 20 || total > len(ip) || total < header {
		return p, false
	}
	if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 { // more fragments, or an offset
		return p, false
	}
	return ipPacket{packet: ip[:total], header: ip[:header], payload: ip[header:total], protocol: ip[9]}, true
}

// parseUDP finds the UDP datagram in a frame; ok is false when there is none or
// only a fragment of one.
func parseUDP(frame []byte) (u udpFrame, ok bool) {
	p, ok := parseIPv4(frame)
	if !ok || p.protocol != protoUDP || len(p.payload) < udpLen {
		return u, false
	}
	udp := p.payload
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpLen || length > len(udp) {
		return u, false
	}
	udp = udp[:length]
	return udpFrame{
		ip: p.header, udp: udp, payload: udp[udpLen:],
		from: binary.BigEndian.Uint16(udp), to: binary.BigEndian.Uint16(udp[2:]),
	}, true
}

// fixChecksum makes the UDP checksum right after the payload was changed in place
// (RFC 768: over a pseudo header, the header and the payload; 0 is sent as ffff).
func (u udpFrame) fixChecksum() {
	u.udp[6], u.udp[7] = 0, 0
	sum := uint32(protoUDP) + uint32(len(u.udp))
	sum = addWords(sum, u.ip[12:20])
	sum = addWords(sum, u.udp)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	check := ^uint16(sum)
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(u.udp[6:], check)
}

func addWords(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
