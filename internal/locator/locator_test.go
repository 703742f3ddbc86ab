package locator

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/netif/nettest"
	"bootes.dev/internal/store"
)

// Behind a router a machine is known by its lease, or by what was heard
// through its relay; on a wire of ours by the neighbour table alone.
func TestLocate(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	inv := inventory.New(s)
	l := New(inv)
	far, near := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("127.0.0.5")
	locate := func(a netip.Addr) string {
		mac, ok := l.Locate(t.Context(), a)
		if !ok {
			return "nobody"
		}
		return mac.String()
	}
	lease := func(a netip.Addr, mac byte) {
		t.Helper()
		_, err := inv.Commit(t.Context(), inventory.LeaseRequest{
			MAC: []byte{0x52, 0x54, 0, 0, 0, mac}, Subnets: []netip.Prefix{netip.PrefixFrom(a, 24).Masked()},
			Pools: []inventory.Pool{{First: a, Last: a}}, Wanted: a, TTL: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	request := dhcp.Query{Mode: dhcp.ModeProxy, Type: dhcp.Request, Port: dhcp.ServerPort, MAC: []byte{0x52, 0x54, 0, 0, 0, 2},
		Relay: netip.MustParseAddr("203.0.113.1"), Network: netip.MustParsePrefix("203.0.113.0/24"), Requested: far}
	for name, q := range map[string]func(*dhcp.Query){
		"a DISCOVER":              func(q *dhcp.Query) { q.Type = dhcp.Discover },
		"on port 4011":            func(q *dhcp.Query) { q.Port = dhcp.ProxyPort },
		"of no network we have":   func(q *dhcp.Query) { q.Network = netip.Prefix{} },
		"of another network":      func(q *dhcp.Query) { q.Network = netip.MustParsePrefix("203.0.112.0/24") },
		"where we are the server": func(q *dhcp.Query) { q.Mode = dhcp.ModeServer },
		"of no address":           func(q *dhcp.Query) { q.Requested = netip.Addr{} },
	} {
		other := request
		q(&other)
		if l.Hear(other); locate(far) != "nobody" {
			t.Errorf("%s was believed: %s", name, locate(far))
		}
	}
	if l.Hear(request); locate(far) != "52:54:00:00:00:02" {
		t.Errorf("heard through a relay: %s", locate(far))
	}
	request.MAC, request.Requested, request.CIAddr = []byte{0x52, 0x54, 0, 0, 0, 3}, netip.Addr{}, far
	if l.Hear(request); locate(far) != "52:54:00:00:00:03" {
		t.Errorf("another has it now: %s", locate(far))
	}
	l.heard[far] = hearing{request.MAC, time.Now().Add(-hearingTime)}
	if locate(far) != "nobody" {
		t.Errorf("a day later: %s", locate(far))
	}
	lease(far, 1)
	if locate(far) != "52:54:00:00:00:01" {
		t.Errorf("leased: %s", locate(far))
	}
	lease(near, 1)
	request.CIAddr, request.Network = near, netip.MustParsePrefix("127.0.0.0/24")
	l.Hear(request)
	if locate(near) != "nobody" {
		t.Errorf("on our own wire DHCP was believed: %s", locate(near))
	}
}

// Requests in the name of an address that nobody answers for would otherwise keep
// all who look for loaders waiting.
func TestFewWaitForAnAddressThatNobodyAnswersFor(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	c, err := net.Dial("udp4", "10.77.0.250:2070")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("anybody?")); err != nil {
		t.Fatal(err)
	}
	l := New(nil)
	done := make(chan bool, 64)
	for range cap(done) {
		go func() {
			_, ok := l.Locate(t.Context(), netip.MustParseAddr("10.77.0.250"))
			done <- ok
		}()
	}
	began := time.Now()
	for range cap(done) - maxWaits {
		if <-done {
			t.Error("somebody was found")
		}
	}
	if d := time.Since(began); d > 500*time.Millisecond {
		t.Errorf("they waited for %s", d)
	}
	for range maxWaits {
		<-done
	}
}

func TestHearingIsBounded(t *testing.T) {
	l := New(nil)
	a := netip.MustParseAddr("203.0.113.1")
	q := dhcp.Query{Mode: dhcp.ModeProxy, Type: dhcp.Request, Port: dhcp.ServerPort, Network: netip.MustParsePrefix("203.0.0.0/16"), Requested: a}
	for range maxHeard + 10 {
		l.Hear(q)
		q.Requested = q.Requested.Next()
	}
	if _, first := l.heard[a]; len(l.heard) != maxHeard || first {
		t.Errorf("%d heard, the first among them: %v", len(l.heard), first)
	}
}
