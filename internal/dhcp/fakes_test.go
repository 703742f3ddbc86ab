package dhcp

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ip         = netip.MustParseAddr
	ourAddress = ip("10.77.0.1")
	ourPrefix  = netip.MustParsePrefix("10.77.0.1/24")
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// memory is a Policy with a table of machines, and a record of what was sent.
type memory struct {
	mu       sync.Mutex
	machines map[string]Decision // by MAC
	sent     []sent
	decided  int
	notify   chan sent
}

type sent struct {
	q Query
	r Reply
}

func (m *memory) Decide(_ context.Context, q Query) Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decided++
	d, ok := m.machines[q.MAC.String()]
	if !ok {
		return Decision{Reason: "unknown machine"}
	}
	if q.IPXE {
		d.Filename = "http://" + q.Server.String() + "/ipxe/" + strings.ReplaceAll(q.MAC.String(), ":", "-")
	} else if q.Firmware.HTTP() {
		d.Filename = "http://" + q.Server.String() + "/loader/snponly.efi"
	} else if q.Firmware.EFI() {
		d.Filename = "snponly.efi"
	}
	return d
}

func (m *memory) Sent(q Query, r Reply) {
	m.mu.Lock()
	m.sent = append(m.sent, sent{q, r})
	m.mu.Unlock()
	if m.notify != nil {
		m.notify <- sent{q, r}
	}
}

// pool is Leases in memory, without times.
type pool struct {
	mu       sync.Mutex
	byAddr   map[netip.Addr]string
	declined map[netip.Addr]bool
	bound    map[netip.Addr]bool
	err      error // what every call fails with
}

func newPool() *pool {
	return &pool{byAddr: map[netip.Addr]string{}, declined: map[netip.Addr]bool{}, bound: map[netip.Addr]bool{}}
}

func (p *pool) Offer(_ context.Context, r LeaseRequest) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return Lease{}, p.err
	}
	mac := r.MAC.String()
	for a, m := range p.byAddr {
		if m == mac && r.inPool(a) {
			return Lease{Addr: a, MAC: mac, New: !p.bound[a]}, nil
		}
	}
	if r.Wanted.IsValid() && p.free(r, r.Wanted) {
		p.byAddr[r.Wanted] = mac
		return Lease{Addr: r.Wanted, MAC: mac, New: true}, nil
	}
	for _, part := range r.Pools {
		for a := part.First; a.Compare(part.Last) <= 0; a = a.Next() {
			if p.free(r, a) {
				p.byAddr[a] = mac
				return Lease{Addr: a, MAC: mac, New: true}, nil
			}
		}
	}
	return Lease{}, ErrPoolFull
}

func (p *pool) free(r LeaseRequest, a netip.Addr) bool {
	for _, x := range r.Exclude {
		if a == x {
			return false
		}
	}
	_, taken := p.byAddr[a]
	return !taken && !p.declined[a] && r.inPool(a)
}

func (r LeaseRequest) inPool(a netip.Addr) bool {
	return slices.ContainsFunc(r.Pools, func(p Pool) bool { return a.Compare(p.First) >= 0 && a.Compare(p.Last) <= 0 })
}

func (p *pool) Commit(_ context.Context, r LeaseRequest) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mac := r.MAC.String()
	switch {
	case p.err != nil:
		return Lease{}, p.err
	case p.byAddr[r.Wanted] == mac:
	case p.byAddr[r.Wanted] != "":
		return Lease{}, ErrLeaseTaken
	case !p.free(r, r.Wanted):
		return Lease{}, ErrOutOfPool
	}
	p.byAddr[r.Wanted], p.bound[r.Wanted] = mac, true
	return Lease{Addr: r.Wanted, MAC: mac}, nil
}

func (p *pool) Release(_ context.Context, mac net.HardwareAddr, a netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byAddr[a] != mac.String() {
		return errors.New("not leased")
	}
	delete(p.byAddr, a)
	return p.err
}

func (p *pool) Decline(_ context.Context, mac net.HardwareAddr, a netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byAddr, a)
	p.declined[a] = true
	return p.err
}

func serverConfig() InterfaceConfig {
	return InterfaceConfig{
		Name: "br0", Mode: ModeServer,
		Subnets: []Subnet{{
			Pools:  []Pool{{ip("10.77.0.100"), ip("10.77.0.199")}},
			Router: ip("10.77.0.254"), DNS: []netip.Addr{ip("10.77.0.53"), ip("9.9.9.9")}, Domain: "lab.test",
		}},
	}
}

// testLink is a link that needs no network.
func testLink(c InterfaceConfig, p Policy, l Leases) *link {
	return testLinkAt(c, p, l, ourPrefix)
}

func testLinkAt(c InterfaceConfig, p Policy, l Leases, addrs ...netip.Prefix) *link {
	at := newPlace(netif.Interface{Name: c.Name, Addrs: addrs}, c)
	return &link{
		config: c, policy: p, leases: l, log: slog.New(slog.DiscardHandler),
		place: func() (*place, error) { return at, nil },
	}
}

// ask hands a datagram to a link and returns the answer, nil if there is none.
func ask(t testing.TB, l *link, in datagram) (*dhcpv4.DHCPv4, netip.AddrPort) {
	t.Helper()
	packet, dest, from := exchanged(t, l, in)
	if packet != nil && from != ourAddress {
		t.Errorf("sent from %s", from)
	}
	return packet, dest
}

// askFrom is ask where we have several addresses.
func askFrom(t testing.TB, l *link, in datagram) (*dhcpv4.DHCPv4, netip.AddrPort) {
	t.Helper()
	packet, dest, _ := exchanged(t, l, in)
	return packet, dest
}

func exchanged(t testing.TB, l *link, in datagram) (packet *dhcpv4.DHCPv4, dest netip.AddrPort, source netip.Addr) {
	t.Helper()
	l.handle(context.Background(), in, func(b []byte, from netip.Addr, to netip.AddrPort, _ net.HardwareAddr) error {
		m, err := dhcpv4.FromBytes(b)
		if err != nil || packet != nil {
			t.Fatalf("second or unreadable answer: %v", err)
		}
		packet, dest, source = m, to, from
		return nil
	})
	return packet, dest, source
}
