package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// DHCPv6 is kept of machines that were added, to tell of firmware that asks for
// nothing else. Systems and strangers ask that way all day.

const (
	ipv6Len          = 40
	portDHCPv6Server = 547 // RFC 8415, 7.2
)

// dhcpv6Types are the messages of clients (RFC 8415, 7.3).
var dhcpv6Types = map[byte]string{1: "Solicit", 3: "Request", 4: "Confirm", 5: "Renew", 6: "Rebind", 8: "Release", 9: "Decline", 11: "Information-Request"}

// ipv6 takes a message to DHCPv6's servers apart (RFC 8200, 3):
//
//	0 version │ 4 payload length │ 6 next header │ 8 source │ 24 destination │ 40 UDP
func (f *frame) ipv6(b []byte) bool {
	ip := b[etherLen:]
	if len(ip) < ipv6Len+udpLen+1 || ip[0]>>4 != 6 || ip[6] != protoUDP {
		return false
	}
	if total := ipv6Len + int(binary.BigEndian.Uint16(ip[4:])); total > ipv6Len+udpLen && total < len(ip) {
		ip = ip[:total] // less padding
	}
	udp := ip[ipv6Len:]
	f.src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[8:])), 0)
	f.dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[24:])), 0)
	_, dst := f.ports(udp)
	f.kind, f.headers, f.payload, f.length = kindDHCPv6, etherLen+ipv6Len+udpLen, udp[udpLen:], etherLen+len(ip)
	return dst == portDHCPv6Server
}

func (f *frame) describeDHCPv6() string {
	what, ok := dhcpv6Types[f.payload[0]]
	if !ok {
		what = fmt.Sprintf("message of type %d", f.payload[0])
	}
	return "DHCPv6 " + what
}
