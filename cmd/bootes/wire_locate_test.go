package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/netif/nettest"
)

// Behind a router a machine is known by its lease, or by what was heard
// through its relay; on a wire of ours by the neighbour table alone.
func TestLocate(t *testing.T) {
	w := newWired(t)
	l := w.house.locator
	far, near := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("127.0.0.5")
	locate := func(a netip.Addr) string {
		mac, ok := l.locate(t.Context(), a)
		if !ok {
			return "nobody"
		}
		return mac.String()
	}
	lease := func(a netip.Addr, mac byte) {
		t.Helper()
		_, err := w.inv.Commit(t.Context(), inventory.LeaseRequest{
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
		if l.hear(other); locate(far) != "nobody" {
			t.Errorf("%s was believed: %s", name, locate(far))
		}
	}
	if l.hear(request); locate(far) != "52:54:00:00:00:02" {
		t.Errorf("heard through a relay: %s", locate(far))
	}
	request.MAC, request.Requested, request.CIAddr = []byte{0x52, 0x54, 0, 0, 0, 3}, netip.Addr{}, far
	if l.hear(request); locate(far) != "52:54:00:00:00:03" {
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
	l.hear(request)
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
	l := newLocator(nil)
	done := make(chan bool, 64)
	for range cap(done) {
		go func() {
			_, ok := l.locate(t.Context(), netip.MustParseAddr("10.77.0.250"))
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
	l := newLocator(nil)
	a := netip.MustParseAddr("203.0.113.1")
	q := dhcp.Query{Mode: dhcp.ModeProxy, Type: dhcp.Request, Port: dhcp.ServerPort, Network: netip.MustParsePrefix("203.0.0.0/16"), Requested: a}
	for range maxHeard + 10 {
		l.hear(q)
		q.Requested = q.Requested.Next()
	}
	if _, first := l.heard[a]; len(l.heard) != maxHeard || first {
		t.Errorf("%d heard, the first among them: %v", len(l.heard), first)
	}
}

func TestCheckNetwork(t *testing.T) {
	n := netif.Interface{Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}}
	for _, tt := range []struct{ yaml, want string }{
		{"range: 10.77.0.10-10.77.0.20", ""},
		{"{range: 10.77.0.10-10.77.0.20, prefix: 10.77.0.0/16}", ""},
		{"range: 10.77.0.10-10.77.1.20", `range 10.77.0.10-10.77.1.20 is not all in 10.77.0.0/24, the network of interface "eth1": write a range inside it, or prefix: if the network is larger`},
		{"range: 10.78.0.10-10.78.0.20", `interface "eth1" has no address in the network of 10.78.0.10-10.78.0.20: give it one, or move the range under subnets: with its prefix: if a relay is in front of it`},
		{"{range: 10.78.0.10-10.78.0.20, prefix: 10.78.0.0/24}", `interface "eth1" has no address in 10.78.0.0/24: give it one, or move the range under subnets: with its prefix: if a relay is in front of it`},
		{"subnets: [{range: 10.78.0.10-10.78.0.20, prefix: 10.78.0.0/24}]", ""},
	} {
		body := tt.yaml
		if body[0] == '{' {
			body = body[1 : len(body)-1]
		}
		c, err := config.Parse("f", []byte("interfaces: [{name: eth1, dhcp: server, "+body+"}]"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := checkNetwork(c.Interfaces[0], n); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.yaml, got, tt.want)
		}
	}
}

func TestLeasesByAPI(t *testing.T) {
	w := newWired(t)
	far := netip.MustParseAddr("203.0.113.5")
	_, err := w.inv.AddImage(t.Context(), inventory.Image{Name: "debian", Tag: "12", Layer: "l", Size: 1 << 20})
	w.ok(err)
	_, err = w.AddMachine(t.Context(), api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	w.ok(err)
	_, err = w.inv.Commit(t.Context(), inventory.LeaseRequest{
		MAC: []byte{0x52, 0x54, 0, 0, 0, 1}, Interface: "eth1", Subnets: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		Pools: []inventory.Pool{{First: far, Last: far}}, Wanted: far, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.Client.Leases(t.Context())
	if err != nil || len(l) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	if l[0].Expires = (time.Time{}); l[0] != (api.Lease{Address: "203.0.113.5", MAC: "52:54:00:00:00:01", Machine: "pc01", State: api.LeaseBound, Network: "203.0.113.0/24", Interface: "eth1"}) {
		t.Errorf("%+v", l[0])
	}
	for _, tt := range []struct {
		address string
		force   bool
		want    string
		code    int
	}{
		{"pc01", false, `"pc01" is no IPv4 address: ` + "`bootes lease ls` lists those that were given", exitUsage},
		{"203.0.113.6", false, `no lease of "203.0.113.6"`, exitNotFound},
		{"203.0.113.5", false, `lease of "203.0.113.5" is in use by 52:54:00:00:00:01: if that client is off for certain, use --force; else wait for its end, `, exitRefused},
		{"203.0.113.5", true, "", 0},
	} {
		err := w.Client.RemoveLease(t.Context(), tt.address, tt.force)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.HasPrefix(err.Error(), tt.want) || exitCode(err) != tt.code) {
			t.Errorf("%s: %v (%d)", tt.address, err, exitCode(err))
		}
	}
}
