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
	disguised := []byte{optMessageType, 0, 1, 4, 255, 255, 255, 0, optMessageType, 1, byte(Request), optEnd}
	for _, tt := range []struct {
		name     string
		say      say
		together bool
		before   bool // it has sent something else, which a worker has
		answered bool
		options  []byte // in place of the message's
	}{
		{"a system", say{t: Discover, mac: unknownMAC}, false, false, true, nil},
		{"a system, with others", say{t: Discover, mac: unknownMAC}, true, false, false, nil},
		{"a system that has just declined", say{t: Discover, mac: unknownMAC}, false, true, false, nil},
		{"a system's REQUEST", say{t: Request, mac: unknownMAC, requested: "10.77.0.100"}, false, false, false, nil},
		{"a REQUEST that begins like a DISCOVER", say{t: Request, mac: unknownMAC}, false, false, false, disguised},
		{"firmware", say{t: Discover, class: classEFI}, false, false, false, nil},
		{"iPXE", say{t: Discover, options: ipxe}, false, false, false, nil},
	} {
		q, in := New(Options{}).newQueues(), tt.say.datagram()
		if tt.before {
			q.put(job{port: &port{link: &link{}}, in: say{t: Decline, mac: tt.say.mac}.datagram()})
		}
		if tt.options != nil {
			in.data = append(in.data[:headerLen+4:headerLen+4], tt.options...)
		}
		l := testLink(c, known(), newPool())
		answered := false
		send := func([]byte, netip.Addr, netip.AddrPort, net.HardwareAddr) error { answered = true; return nil }
		q.take(context.Background(), job{port: &port{link: l}, in: in}, !tt.together, send)
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
	q.take(context.Background(), job{port: &port{link: testLink(c, known(), newPool())}, in: in}, true, nil)
	for _, c := range q.all {
		if len(c) > 0 {
			t.Error("what no client sends is queued")
		}
	}
}
