package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Subnet is one IPv4 network on which Boötes gives addresses or, where it is a
// proxy, one behind a relay whose machines it boots; that has a Prefix alone.
type Subnet struct {
	Ranges  []Range
	Exclude []Range      // out of the ranges; machines and hosts may have them
	Prefix  netip.Prefix // zero, for the interface's own network alone: that of its address
	Router  netip.Addr   // zero: none is told
	DNS     []netip.Addr
	NTP     []netip.Addr
	Domain  string
	Lease   time.Duration
	Renew   time.Duration // zero: half of Lease
	Rebind  time.Duration // zero: seven eighths of Lease
	Routes  []Route
	Options []Option
	Hosts   []Host
}

// NameServers are the DNS servers that a machine with that address is told, on an
// interface where this server gives addresses.
func (c *Config) NameServers(iface string, machine netip.Addr) []netip.Addr {
	for _, i := range c.Interfaces {
		if i.Name != iface || i.DHCP != Server {
			continue
		}
		for _, s := range i.Subnets {
			if s.Prefix.IsValid() && s.Prefix.Contains(machine) {
				return s.DNS
			}
		}
		return i.DNS
	}
	return nil
}

// Range is addresses in a row, both ends included.
type Range struct{ First, Last netip.Addr }

func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

func (r Range) contains(a netip.Addr) bool { return !a.Less(r.First) && !r.Last.Less(a) }

func (r Range) meets(o Range) bool { return !r.Last.Less(o.First) && !o.Last.Less(r.First) }

// subnetKeys are those of one network.
var subnetKeys = []string{"range", "exclude", "prefix", "router", "dns", "ntp", "domain", "lease", "renew", "rebind", "routes", "options", "hosts"}

func (r *reader) subnetKeys(s *Subnet, g given) fields {
	return fields{
		"range":   g.note("range", oneOrMore(r, r.pool(&s.Ranges))),
		"exclude": g.note("exclude", oneOrMore(r, r.exclude(&s.Exclude))),
		"prefix":  g.note("prefix", r.prefix(&s.Prefix, 8, 30, "write a network such as 192.168.1.0/24")),
		"router":  g.note("router", r.addr(&s.Router)),
		"dns":     g.note("dns", r.addrs(&s.DNS)),
		"ntp":     g.note("ntp", r.addrs(&s.NTP)),
		"domain":  g.note("domain", r.domain(&s.Domain)),
		"lease":   g.note("lease", r.lease(&s.Lease)),
		"renew":   g.note("renew", r.lease(&s.Renew)),
		"rebind":  g.note("rebind", r.lease(&s.Rebind)),
		"routes":  g.note("routes", r.routes(&s.Routes)),
		"options": g.note("options", r.options(&s.Options)),
		"hosts":   g.note("hosts", r.hosts(&s.Hosts)),
	}
}

// farNetwork is a network of the list subnets as the file has it.
type farNetwork struct {
	at    value
	given given
	Subnet
}

func (r *reader) subnets(dst *[]farNetwork) func(value) {
	return func(v value) {
		r.list(v, "write a list: one block with prefix: and range: for each network", func(item value) {
			n := farNetwork{at: item, given: given{}, Subnet: Subnet{Lease: DefaultLease}}
			r.block(item, r.subnetKeys(&n.Subnet, n.given))
			if _, ok := n.given["prefix"]; !ok {
				r.fault(item, "has no prefix", "write prefix: and the network, such as 10.78.0.0/24: by it the clients of its relay are known")
			}
			*dst = append(*dst, n)
		})
	}
}

// served checks a network on which addresses are given.
func (n farNetwork) served(r *reader) {
	if _, ok := n.given["range"]; !ok {
		r.fault(n.at, "has no range", "write range: and the addresses to give, such as 192.168.1.100-192.168.1.199")
	}
	r.subnet(n.Subnet, n.given)
}

// proxied checks a network on which another server gives the addresses.
func (n farNetwork) proxied(r *reader, mode Mode) {
	for _, name := range subnetKeys {
		if at, ok := n.given[name]; ok && name != "prefix" {
			r.fault(at, fmt.Sprintf("has no meaning with dhcp: %s", mode), "of a network behind a relay, write prefix: alone")
		}
	}
}

// oneOrMore reads one value, or a list of them.
func oneOrMore(r *reader, one func(value)) func(value) {
	return func(v value) {
		if _, ok := v.node.(*ast.SequenceNode); ok {
			r.list(v, "", one)
			return
		}
		one(v)
	}
}

func (r *reader) pool(dst *[]Range) func(value) {
	return r.ranges(dst, false, "write the first and the last address, such as 192.168.1.100-192.168.1.199")
}

func (r *reader) exclude(dst *[]Range) func(value) {
	return r.ranges(dst, true, "write an address, or the first and the last, such as 192.168.1.150-192.168.1.159")
}

func (r *reader) ranges(dst *[]Range, single bool, right string) func(value) {
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		from, to, two := strings.Cut(s, "-")
		if !two && single {
			to = from
		}
		a, err1 := netip.ParseAddr(strings.TrimSpace(from))
		b, err2 := netip.ParseAddr(strings.TrimSpace(to))
		switch {
		case err1 != nil || err2 != nil || !a.Is4() || !b.Is4() || a.IsUnspecified() || b.IsMulticast():
			r.fault(v, fmt.Sprintf("%q is no range of IPv4 addresses", s), "%s", right)
		case b.Less(a):
			r.fault(v, fmt.Sprintf("%s comes after %s", a, b), "write the lower address first")
		default:
			*dst = append(*dst, Range{a, b})
		}
	}
}

// prefix reads a network that has from least to most bits for its part of the
// address; right is what would be right.
func (r *reader) prefix(dst *netip.Prefix, least, most int, right string) func(value) {
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil || !p.Addr().Is4() || p.Bits() < least || p.Bits() > most:
			r.fault(v, fmt.Sprintf("%q is no IPv4 network", s), "%s", right)
		case p != p.Masked():
			r.fault(v, fmt.Sprintf("%q has host bits set", s), "write %s", p.Masked())
		default:
			*dst = p
		}
	}
}
