package dhcp

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// TestTake: only a system's DISCOVER that came alone is answered before the next
// packet is read. All others have a worker, for they may have to wait.
func TestTake(t *testing.T) {
	c := serverConfig()
	c.ServeUnknown = true
	ipxe := dhcpv4.Options{optUserClass: []byte("iPXE"), optIPXE: {235, 3, 1, 0, 0}}
	for _, tt := range []struct {
		name     string
		say      say
		together bool
		answered bool
	}{
		{"a system", say{t: Discover, mac: unknownMAC}, false, true},
		{"a system, with others", say{t: Discover, mac: unknownMAC}, true, false},
		{"a system's REQUEST", say{t: Request, mac: unknownMAC, requested: "10.77.0.100"}, false, false},
		{"firmware", say{t: Discover, class: classEFI}, false, false},
		{"iPXE", say{t: Discover, options: ipxe}, false, false},
	} {
		q := New(Options{}).newQueues()
		l := testLink(c, known(), newPool())
		answered := false
		send := func([]byte, netip.Addr, netip.AddrPort, net.HardwareAddr) error { answered = true; return nil }
		q.take(context.Background(), job{&port{link: l}, tt.say.datagram()}, !tt.together, send)
		waiting := 0
		for _, c := range q.all {
			waiting += len(c)
		}
		if answered != tt.answered || (waiting == 0) != tt.answered {
			t.Errorf("%s: answered: %v, waiting: %d", tt.name, answered, waiting)
		}
	}
	q := New(Options{}).newQueues() // no client's: nobody has to look at it
	in := say{t: Discover, from: "10.77.0.7:999"}.datagram()
	q.take(context.Background(), job{&port{link: testLink(c, known(), newPool())}, in}, true, nil)
}
