package capture

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// kind is what a packet is about. Each has its share of a machine's room.
type kind uint8

const (
	kindARP kind = iota
	kindDHCP
	kindTFTP
	kindHTTP
	kindISCSI
	kindICMP
	kindDHCPv6
	kinds
)

// MAC is an Ethernet address that can be a map's key.
type MAC [6]byte

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

func (m MAC) group() bool { return m[0]&1 != 0 }

// frame is an Ethernet frame, taken apart as far as it is looked at. Its slices are
// of the frame.
//
//	0 destination MAC │ 6 source MAC │ 12 EtherType │ 14 ARP, or IPv4 and its payload
type frame struct {
	to, from MAC
	kind     kind
	src, dst netip.AddrPort
	headers  int    // bytes before the payload
	flags    byte   // of TCP
	payload  []byte // of UDP, TCP, ICMP, or ARP
	text     bool   // the payload is the text of the iSCSI message before it
	length   int    // of the frame, of which fewer bytes may be there
	datagram int    // length of UDP's payload, which may come in fragments
}

// parse takes a frame apart; false: it is none that is kept.
func parse(b []byte, p Ports) (f frame, ok bool) {
	if len(b) < etherLen {
		return f, false
	}
	f.to, f.from = MAC(b[0:6]), MAC(b[6:12])
	switch binary.BigEndian.Uint16(b[12:]) {
	case etherARP:
		return f, f.arp(b)
	case etherIPv4:
		return f, f.ipv4(b, p)
	case etherIPv6:
		return f, f.ipv6(b)
	}
	return f, false
}

// arp reads who asks for, or says, which address (RFC 826). The rest of the
// frame is padding.
func (f *frame) arp(b []byte) bool {
	if len(b) < etherLen+arpLen || string(b[14:20]) != "\x00\x01\x08\x00\x06\x04" {
		return false
	}
	f.kind, f.headers, f.length = kindARP, etherLen, etherLen+arpLen
	f.payload = b[etherLen : etherLen+arpLen]
	f.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(f.payload[14:])), 0)
	f.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(f.payload[24:])), 0)
	return true
}

// ipv4 reads the header (RFC 791) and what follows it.
//
//	0 version, header length │ 2 total length │ 6 fragment │ 9 protocol │ 12 source │ 16 destination
func (f *frame) ipv4(b []byte, p Ports) bool {
	ip := b[etherLen:]
	if len(ip) < ipv4Len || ip[0]>>4 != 4 || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
		return false
	}
	head, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if head < ipv4Len || total < head || len(ip) < head {
		return false
	}
	f.length = etherLen + total
	f.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), 0)
	f.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), 0)
	ip = ip[:min(len(ip), total)] // less padding
	f.headers = etherLen + head
	switch ip[9] {
	case protoICMP:
		return f.icmp(ip[head:])
	case protoUDP:
		return f.udp(ip[head:], p)
	case protoTCP:
		return f.tcp(ip[head:], p)
	}
	return false
}

func (f *frame) icmp(b []byte) bool {
	f.kind, f.payload = kindICMP, b
	return len(b) >= icmpLen && (b[0] == icmpUnreachable || b[0] == icmpTimeExceeded)
}

// about is who the packet that an ICMP message complains of was sent to.
func (f *frame) about() (a netip.Addr, ok bool) {
	inner := f.payload[icmpLen:]
	if len(inner) < ipv4Len {
		return a, false
	}
	return netip.AddrFrom4([4]byte(inner[16:])), true
}

func (f *frame) ports(b []byte) (src, dst uint16) {
	src, dst = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	f.src, f.dst = netip.AddrPortFrom(f.src.Addr(), src), netip.AddrPortFrom(f.dst.Addr(), dst)
	return src, dst
}

// udp takes what is not DHCP for TFTP: whether it is, who follows the requests
// knows.
func (f *frame) udp(b []byte, p Ports) bool {
	if len(b) < udpLen {
		return false
	}
	src, dst := f.ports(b)
	f.kind, f.payload = kindTFTP, b[udpLen:]
	f.datagram = int(binary.BigEndian.Uint16(b[4:])) - udpLen
	f.headers += udpLen
	for _, port := range []uint16{portDHCPServer, portDHCPClient, portPXE} {
		if src == port || dst == port {
			f.kind = kindDHCP
		}
	}
	return len(f.payload) >= dhcpLeast || f.kind == kindTFTP && len(f.payload) >= tftpLen
}

// served reports whether our end of a connection is one of our servers. This
// computer asks other servers, too, with secrets of its own, and a machine may
// send from any port.
func (f *frame) served(outgoing bool, p Ports) bool {
	ours := f.dst.Port()
	if outgoing {
		ours = f.src.Port()
	}
	switch f.kind {
	case kindHTTP:
		return ours == p.HTTP
	case kindISCSI:
		return ours == p.ISCSI
	}
	return true
}

func (f *frame) tcp(b []byte, p Ports) bool {
	if len(b) < tcpLen {
		return false
	}
	head := int(b[12]>>4) * 4
	if head < tcpLen || len(b) < head {
		return false
	}
	src, dst := f.ports(b)
	f.headers += head
	f.payload, f.flags = b[head:], b[13]
	switch {
	case dst == p.ISCSI || src == p.ISCSI && dst != p.HTTP:
		f.kind = kindISCSI
	case dst == p.HTTP || src == p.HTTP:
		f.kind = kindHTTP
	default:
		return false
	}
	return true
}
