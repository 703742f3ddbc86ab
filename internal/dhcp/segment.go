package dhcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// segment is one link with clients, and what they may have there. Networks
// that share the interface's wire are one segment, for nobody can tell which
// of them a client belongs to; each network behind a relay is its own.
type segment struct {
	networks []network
	subnets  []netip.Prefix
	pools    []Pool
	exclude  []netip.Addr
	hosts    map[string]Host
}

// network is a subnet as its clients are told of it.
type network struct {
	prefix  netip.Prefix
	self    netip.Addr // our address there; zero: we are behind a relay
	ttl     time.Duration
	options dhcpv4.Options // those that are the same for every client
}

// place is an interface as it is now: its addresses, and the segments that
// are reached by it.
type place struct {
	ifc  netif.Interface
	wire segment   // without networks: this wire is not served
	far  []segment // behind relays
}

func newPlace(ifc netif.Interface, c InterfaceConfig) *place {
	p := &place{ifc: ifc}
	for _, s := range c.Subnets {
		prefix, self, ok := s.network(ifc)
		switch {
		case !ok:
		case self.IsValid():
			p.wire.add(s, prefix, self)
		default:
			p.far = append(p.far, segment{})
			p.far[len(p.far)-1].add(s, prefix, self)
		}
	}
	for _, a := range ifc.Addrs { // nobody answers us that they are in use
		if a.Addr().Is4() && !slices.Contains(p.wire.exclude, a.Addr()) {
			p.wire.exclude = append(p.wire.exclude, a.Addr())
		}
	}
	return p
}

// network is the subnet's prefix and our address in it. There is none while
// the interface has no address that decides it.
func (s Subnet) network(ifc netif.Interface) (prefix netip.Prefix, self netip.Addr, ok bool) {
	prefix = s.Prefix.Masked()
	if !s.Prefix.IsValid() {
		for _, a := range ifc.Addrs {
			if a.Addr().Is4() && len(s.Pools) > 0 && a.Contains(s.Pools[0].First) {
				prefix = a.Masked()
			}
		}
	}
	for _, a := range ifc.Addrs {
		if prefix.IsValid() && prefix.Contains(a.Addr()) {
			return prefix, a.Addr(), true
		}
	}
	return prefix, self, prefix.IsValid()
}

func (g *segment) add(s Subnet, prefix netip.Prefix, self netip.Addr) {
	g.networks = append(g.networks, network{prefix, self, s.leaseTime(), s.options(prefix)})
	g.subnets = append(g.subnets, prefix)
	taken := append(slices.Clone(s.Exclude), single(prefix.Addr()), single(lastOf(prefix)))
	for _, h := range s.Hosts {
		if g.hosts == nil {
			g.hosts = map[string]Host{}
		}
		g.hosts[h.MAC] = h
		taken = append(taken, single(h.Addr))
	}
	g.pools = append(g.pools, without(s.Pools, taken)...)
	g.exclude = append(g.exclude, s.DNS...)
	for _, a := range []netip.Addr{self, s.Router} {
		if a.IsValid() {
			g.exclude = append(g.exclude, a)
		}
	}
}

func (g *segment) String() string {
	var b strings.Builder
	for i, p := range g.pools {
		if i > 0 {
			b.WriteString(", ")
		}
		if fmt.Fprint(&b, p.First); p.Last != p.First {
			fmt.Fprintf(&b, " to %s", p.Last)
		}
	}
	return b.String()
}

// size is how many addresses there are to give.
func (g *segment) size() (n int) {
	for _, p := range g.pools {
		first, last := p.First.As4(), p.Last.As4()
		n += int(binary.BigEndian.Uint32(last[:])-binary.BigEndian.Uint32(first[:])) + 1
	}
	return n
}

// network is the one of the segment that has an address; nil if none has.
func (g *segment) network(a netip.Addr) *network {
	for i := range g.networks {
		if g.networks[i].prefix.Contains(a) {
			return &g.networks[i]
		}
	}
	return nil
}

// segment is the one that has an address; nil if none has.
func (p *place) segment(a netip.Addr) *segment {
	if p.wire.network(a) != nil {
		return &p.wire
	}
	for i := range p.far {
		if p.far[i].network(a) != nil {
			return &p.far[i]
		}
	}
	return nil
}

// ours reports whether a is one of the interface's addresses.
func (p *place) ours(a netip.Addr) bool {
	return slices.ContainsFunc(p.ifc.Addrs, func(q netip.Prefix) bool { return q.Addr() == a })
}

// introduce tells the log on which networks addresses are given.
func (l *link) introduce() {
	at, err := l.place()
	if err != nil || l.config.Mode != ModeServer {
		return
	}
	tell := func(g *segment, where string) {
		if len(g.subnets) > 0 {
			l.log.Info("gives addresses "+where, "interface", l.config.Name, "networks", g.subnets, "addresses", g)
		}
	}
	tell(&at.wire, "on its wire")
	for i := range at.far {
		tell(&at.far[i], "behind relays")
	}
}

func single(a netip.Addr) Pool { return Pool{a, a} }

// without is pools less what is taken out of them.
func without(pools, taken []Pool) []Pool {
	for _, t := range taken {
		var left []Pool
		for _, p := range pools {
			if t.Last.Less(p.First) || p.Last.Less(t.First) {
				left = append(left, p)
				continue
			}
			if p.First.Less(t.First) {
				left = append(left, Pool{p.First, t.First.Prev()})
			}
			if t.Last.Less(p.Last) {
				left = append(left, Pool{t.Last.Next(), p.Last})
			}
		}
		pools = left
	}
	return pools
}

func (s Subnet) leaseTime() time.Duration {
	if s.LeaseTime > 0 {
		return s.LeaseTime
	}
	return DefaultLeaseTime
}
