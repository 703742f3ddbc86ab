package capture

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// What a card sends counts, kept or not, and what is sent to it does not.
func TestHeard(t *testing.T) {
	c := open(t, t.TempDir())
	other := netip.MustParseAddr("192.168.1.50")
	c.take(start, false, arp(pc, all, 1, pcAt, ourAt)) // of nobody yet
	if any, from := c.Heard(pc[:], start); any || from != nil {
		t.Errorf("of a stranger to the capture: %v, %v", any, from)
	}
	c.take(start, false, discover(pc))
	for _, tt := range []struct {
		name  string
		out   bool
		frame []byte
		any   bool
		from  []netip.Addr
	}{
		{"what is sent to it", true, arp(server, pc, 1, ourAt, pcAt), false, nil},
		{"a DISCOVER", false, discover(pc), true, nil},
		{"ICMPv6", false, icmpv6(pc, 58), true, nil},
		{"ARP by its address", false, arp(pc, all, 1, pcAt, ourAt), true, []netip.Addr{pcAt}},
		{"ARP by another", false, arp(pc, all, 1, other, ourAt), true, []netip.Addr{pcAt, other}},
		{"and by its own again", false, arp(pc, all, 1, pcAt, ourAt), true, []netip.Addr{other, pcAt}},
	} {
		since := start.Add(time.Second)
		c.take(since, tt.out, tt.frame)
		if any, from := c.Heard(pc[:], since); any != tt.any || !slices.Equal(from, tt.from) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, any, from, tt.any, tt.from)
		}
	}
	if any, from := c.Heard(pc[:], start.Add(2*time.Second)); any || from != nil {
		t.Errorf("thereafter: %v, %v", any, from)
	}
}

func TestHeardIsBounded(t *testing.T) {
	var h heard
	for i := range byte(2 * maxSenders) {
		h.note(netip.AddrFrom4([4]byte{10, 0, 0, i}), start)
	}
	if len(h.from) != maxSenders || h.from[maxSenders-1].addr != netip.AddrFrom4([4]byte{10, 0, 0, 2*maxSenders - 1}) {
		t.Errorf("%v", h.from)
	}
}

// The filter lets ICMPv6 through, by which a system shows that it lives, and no
// other IPv6.
func TestFilterOfIPv6(t *testing.T) {
	for next, want := range map[byte]int{58: shortSnap, 0: shortSnap, protoTCP: 0, protoUDP: 0} {
		if got := run(t, icmpv6(pc, next)); got != want {
			t.Errorf("next header %d: the filter returns %d, want %d", next, got, want)
		}
	}
}

func icmpv6(from MAC, next byte) []byte {
	return ether(from, all, etherIPv6, append([]byte{0x60, 0, 0, 0, 0, 8, next, 255}, make([]byte, 40)...))
}
