package boot

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// street is a network on which some have addresses, and say so when they are asked.
type street struct {
	has    map[netip.Addr][]string
	serves map[netip.AddrPort]diagnose.Answer

	mu    sync.Mutex
	asked []netip.Addr
	ways  int // that were looked at

	dns   netip.Addr            // that machines are told
	dead  error                 // why it does not answer
	hosts map[string]netip.Addr // that it knows
	names []string              // that it was asked for
}

func (s *street) Ask(_ context.Context, _ string, addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, addrs...)
}

func (s *street) Claimants(a netip.Addr, _ time.Time) (all []net.HardwareAddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.asked, a) {
		for _, mac := range s.has[a] {
			all = append(all, parseMAC(mac))
		}
	}
	return all
}

func (s *street) Way(_ context.Context, relay, from netip.Addr) diagnose.Way {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ways++
	return diagnose.Way{Known: true, Default: true, Gateway: relay, From: from}
}

func (s *street) Serves(_ context.Context, at netip.AddrPort) diagnose.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, at.Addr())
	return s.serves[at]
}

func (s *street) Lookup(_ context.Context, iface string, machine netip.Addr, name string) (a, asked netip.Addr, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dns.IsValid() {
		return a, asked, nil
	}
	s.names = append(s.names, name)
	return s.hosts[name], s.dns, s.dead
}

// TestConflict lets a boot stop with an address where others answer by ARP.
func TestConflict(t *testing.T) {
	const stranger, another = "00:1b:a9:40:11:0d", "00:1b:a9:40:11:0e"
	for _, tt := range []struct {
		name string
		has  map[netip.Addr][]string
		want diagnose.Conflict
	}{
		{"nobody", nil, diagnose.Conflict{}},
		{"the machine alone", map[netip.Addr][]string{addr1: {mac1}}, diagnose.Conflict{Alive: true}},
		{"a stranger", map[netip.Addr][]string{addr1: {mac1, stranger}}, diagnose.Conflict{Machine: []diagnose.Card{{MAC: stranger}}, Alive: true}},
		{"another machine", map[netip.Addr][]string{addr1: {mac2}}, diagnose.Conflict{Machine: []diagnose.Card{{MAC: mac2, Machine: "pc2"}}}},
		{"ours", map[netip.Addr][]string{server: {stranger}}, diagnose.Conflict{Server: []diagnose.Card{{MAC: stranger}}}},
		{"proxy ARP", map[netip.Addr][]string{server: {stranger}, addr1: {stranger, another}}, diagnose.Conflict{Machine: []diagnose.Card{{MAC: another}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.Neighbours = &street{has: tt.has}
			h.discover(mac1, loaders.BIOS, false)
			h.Exchanged(client(mac1, loaders.BIOS, false), "pc1", Exchange{ACK: true, Addr: addr1, File: "undionly.kpxe"})
			b := h.stopped("pc1")
			want := diagnose.LoaderNotFetched
			if len(tt.want.Machine)+len(tt.want.Server) > 0 {
				want = diagnose.AddressConflict
			}
			if kindOf(b) != want || b.Stage != recorder.StageFirmware {
				t.Errorf("%s at %s, want %s", kindOf(b), b.Stage, want)
			}
			if said(h, mac1, "on its network: another computer has this server's address, 10.77.0.1: its network card is "+stranger) != (tt.want.Server != nil) {
				t.Errorf("the timeline: %+v", b.Events)
			}
			a := h.attempts.current("pc1")
			if got := h.conflict(t.Context(), a); !slices.Equal(got.Machine, tt.want.Machine) || !slices.Equal(got.Server, tt.want.Server) || got.Alive != tt.want.Alive {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestUsurpedOnce: whoever says with ever new MAC addresses that he has ours is told
// of once.
func TestUsurpedOnce(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, false)
	for i := range 3 {
		h.usurped("br0", server, diagnose.Card{MAC: fmt.Sprintf("02:00:00:00:00:%02x", i)})
	}
	n := 0
	for _, e := range h.Recorder.Boots("pc1")[0].Events {
		if strings.Contains(e.Text, "another computer has this server's address") {
			n++
		}
	}
	if n != 1 || len(h.warnings.of("br0", h.now())) != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestAskingIsBounded: when a whole room stops, the network is asked for some.
func TestAskingIsBounded(t *testing.T) {
	h := newHouse(t)
	n := &street{}
	h.Neighbours = n
	for range maxAsking {
		h.asking <- struct{}{}
	}
	h.discover(mac1, loaders.BIOS, false)
	h.Exchanged(client(mac1, loaders.BIOS, false), "pc1", Exchange{ACK: true, Addr: addr1, File: "undionly.kpxe"})
	h.stopped("pc1")
	if n.asked != nil {
		t.Errorf("asked for %v", n.asked)
	}
}

// TestWayToRelay: of a machine behind a relay that has stopped, this server looks at
// its own way there.
func TestWayToRelay(t *testing.T) {
	h := newHouse(t)
	h.Neighbours = &street{}
	c := client(mac1, loaders.BIOS, false)
	c.Relay, c.From, c.Network = netip.MustParseAddr("10.78.0.1"), netip.MustParseAddr("10.77.0.8"), netip.MustParsePrefix("10.78.0.0/24")
	h.DHCP(t.Context(), c)
	h.Exchanged(c, "pc1", Exchange{Offer: true, Addr: addr1, File: "undionly.kpxe"})
	b := h.stopped("pc1")
	if kindOf(b) != diagnose.NoAddress || !strings.HasPrefix(b.Diagnosis.Causes[0].Remedy, "ip route add 10.78.0.0/24 via 10.77.0.8 dev br0") {
		t.Errorf("%+v", b.Diagnosis)
	}
}

// TestWayToStrangers: a message that names an address as its relay's, of a network
// that is not served, has this server send nothing there.
func TestWayToStrangers(t *testing.T) {
	h := newHouse(t)
	n := &street{}
	h.Neighbours = n
	c := client(mac1, loaders.BIOS, false)
	c.Relay, c.From = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.77.0.8")
	h.DHCP(t.Context(), c)
	h.stopped("pc1")
	if n.ways != 0 {
		t.Errorf("looked %d times", n.ways)
	}
}

// TestWhoHoldsThePool: where no address is left, some of those that have them are named.
func TestWhoHoldsThePool(t *testing.T) {
	h := newHouse(t)
	network := netip.MustParsePrefix("10.77.0.0/24")
	pools := []inventory.Pool{{First: netip.MustParseAddr("10.77.0.100"), Last: netip.MustParseAddr("10.77.0.199")}}
	lease := func(mac string) {
		t.Helper()
		r := inventory.LeaseRequest{MAC: parseMAC(mac), Interface: "br0", Subnets: []netip.Prefix{network}, TTL: time.Hour,
			Pools: pools}
		l, err := h.Inventory.Offer(t.Context(), r)
		if err == nil {
			r.Wanted = l.Addr
			_, err = h.Inventory.Commit(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Inventory.SetMachine(t.Context(), "pc2", func(m *inventory.Machine) error { m.Address = netip.MustParseAddr("10.77.0.9"); return nil }); err != nil {
		t.Fatal(err)
	}
	lease(mac2) // outside of the pool
	for i := range maxHolders + 1 {
		lease(fmt.Sprintf("02:00:00:00:00:%02x", i))
	}
	h.discover(mac1, loaders.EFI64, false)
	h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{Refused: "full", Full: true, Pool: Pool{network, "10.77.0.100 to 10.77.0.199", 100, pools}})
	p := h.pool(t.Context(), h.attempts.current("pc1"))
	if p.Addresses != 100 || p.Held != maxHolders+1 || len(p.Holders) != maxHolders || slices.Contains(p.Holders, "pc2") || p.Machines != 2 {
		t.Errorf("%+v", p)
	}
}
