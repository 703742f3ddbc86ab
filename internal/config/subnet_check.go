package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// subnet checks what the keys of one network say of one another.
func (r *reader) subnet(s Subnet, g given) {
	r.inPrefix(s, g)
	r.rangesApart(s, g)
	r.times(s, g)
	macs, addrs := map[string]bool{}, map[netip.Addr]bool{s.Router: true}
	for _, h := range s.Hosts {
		if macs[h.MAC] || addrs[h.Address] {
			r.fault(g["hosts"], fmt.Sprintf("host %s with %s clashes with another, or with the router", h.MAC, h.Address), "give each host one address, and each address one host")
		}
		macs[h.MAC], addrs[h.Address] = true, true
	}
}

func (r *reader) inPrefix(s Subnet, g given) {
	if !s.Prefix.IsValid() {
		return
	}
	inside := func(key string, a netip.Addr) bool {
		ok := !a.IsValid() || s.Prefix.Contains(a)
		if !ok {
			r.fault(g[key], fmt.Sprintf("%s is outside %s", a, s.Prefix), "write an address inside the prefix")
		}
		return ok
	}
	for _, p := range s.Ranges {
		_ = inside("range", p.First) && inside("range", p.Last)
	}
	inside("router", s.Router)
	for _, h := range s.Hosts {
		inside("hosts", h.Address)
	}
	for _, route := range s.Routes {
		inside("routes", route.Via)
	}
}

func (r *reader) rangesApart(s Subnet, g given) {
	for i, p := range s.Ranges {
		if s.Router.IsValid() && p.contains(s.Router) && !excluded(s, s.Router) {
			r.fault(g["router"], fmt.Sprintf("%s lies in the range, so it would be given to a client", s.Router),
				"write a router or a range that do not meet")
		}
		for _, q := range s.Ranges[:i] {
			if p.meets(q) {
				r.fault(g["range"], fmt.Sprintf("%s and %s overlap", q, p), "make them one")
			}
		}
	}
	for _, x := range s.Exclude {
		if !slices.ContainsFunc(s.Ranges, x.meets) {
			r.fault(g["exclude"], fmt.Sprintf("%s lies in no range, so nobody would be given it", x), "write addresses of the range, or take them out")
		}
	}
}

func excluded(s Subnet, a netip.Addr) bool {
	return slices.ContainsFunc(s.Exclude, func(x Range) bool { return x.contains(a) })
}

// times wants renewal, rebinding and the end in this order (RFC 2131, 4.4.5).
func (r *reader) times(s Subnet, g given) {
	renew, rebind := cmp.Or(s.Renew, s.Lease/2), cmp.Or(s.Rebind, s.Lease*7/8)
	switch {
	case rebind >= s.Lease:
		r.fault(g[first(g, "rebind", "lease")], fmt.Sprintf("rebind after %s is not before the end of the lease, %s", short(rebind), short(s.Lease)), "write a shorter rebind: or a longer lease:")
	case renew >= rebind:
		r.fault(g[first(g, "renew", "rebind")], fmt.Sprintf("renew after %s is not before rebind after %s", short(renew), short(rebind)), "write them in this order: renew, rebind, lease")
	}
}

func first(g given, keys ...string) string {
	for _, k := range keys {
		if _, ok := g[k]; ok {
			return k
		}
	}
	return ""
}

func short(d time.Duration) string { return d.Round(time.Second).String() }

// apart wants that no address is in two networks.
func (r *reader) apart(all []Subnet, at value) {
	for i, s := range all {
		for _, o := range all[:i] {
			if s.Prefix.IsValid() && o.Prefix.IsValid() && s.Prefix.Overlaps(o.Prefix) {
				r.fault(at, fmt.Sprintf("%s and %s overlap", o.Prefix, s.Prefix), "write each network once, with all its ranges")
				continue
			}
			for _, p := range s.Ranges {
				if slices.ContainsFunc(o.Ranges, p.meets) {
					r.fault(at, fmt.Sprintf("the range %s is in two networks", p), "write each network once, with all its ranges")
				}
			}
		}
	}
}
