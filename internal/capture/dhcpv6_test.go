package capture

import (
	"net"
	"testing"
)

// solicit is a message to DHCPv6's servers.
func solicit(from MAC, kind byte) []byte {
	u := udp(546, portDHCPv6Server, []byte{kind, 1, 2, 3})
	ip := append([]byte{0x60, 0, 0, 0, 0, byte(len(u)), protoUDP, 1}, make([]byte, 32)...)
	ip[8], ip[9], ip[24], ip[25] = 0xfe, 0x80, 0xff, 0x02
	return ether(from, MAC{0x33, 0x33, 0, 1, 0, 2}, etherIPv6, append(ip, u...))
}

// Of machines that were added, and of them alone, it is kept that they ask by IPv6.
func TestDHCPv6(t *testing.T) {
	stranger := MAC{2, 0, 0, 0, 0, 9}
	if n := run(t, solicit(pc, 1)); n != headerSnap {
		t.Errorf("the filter returns %d", n)
	}
	other := solicit(pc, 1)
	other[14+40+3] = 53
	if n := run(t, other); n != 0 {
		t.Errorf("of other UDP the filter returns %d", n)
	}
	o := options(t.TempDir())
	o.Known = func(mac net.HardwareAddr) bool { return MAC(mac) == pc }
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range [][]byte{solicit(stranger, 1), solicit(pc, 1), solicit(pc, 99), other, solicit(pc, 1)[:62]} {
		c.take(start, false, frame)
	}
	c.take(start, true, solicit(pc, 1))
	lines := c.Lines(Span{MAC: pc[:]})
	if len(lines) != 2 || lines[0].Text != "DHCPv6 Solicit" || lines[1].Text != "DHCPv6 message of type 99" || c.count(stranger) != 0 {
		t.Errorf("%+v, and %d of a stranger", lines, c.count(stranger))
	}
	if any, from := c.Heard(pc[:], start); !any || from != nil {
		t.Errorf("heard: %v, %v", any, from)
	}
}
