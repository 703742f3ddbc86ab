package inventory

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// spareLeases is how many expired leases are looked for at a time.
	spareLeases = 256
	// hasty is the age at which a stranger's offer may go to another, when there
	// is nothing else: whoever floods us with DISCOVERs takes no offer.
	hasty = 8 * time.Second
)

// spares are addresses whose leases have expired, the first to expire first.
type spares struct {
	leases []Lease
	none   time.Time // until then there are no more
}

// spareKey: machines get what strangers do not.
type spareKey struct {
	network  netip.Prefix
	stranger bool
}

// oldest is the address whose lease expired first, strangers' before machines'.
func (p *picker) oldest() netip.Addr {
	key := spareKey{p.q.network(), p.stranger}
	s := p.d.spares[key]
	if s == nil {
		s = &spares{}
		p.d.spares[key] = s
	}
	for {
		if len(s.leases) == 0 && p.now.Before(s.none) {
			return netip.Addr{}
		}
		if len(s.leases) == 0 {
			p.findSpares(s)
			continue
		}
		l := s.leases[0]
		s.leases = s.leases[1:]
		if p.d.leases[l.Addr] != l {
			continue
		}
		if addr := p.ifFree(l.Addr); addr.IsValid() {
			return addr
		}
	}
}

// findSpares looks through all leases, for several requests to come.
func (p *picker) findSpares(s *spares) {
	s.leases, s.none = s.leases[:0], p.now.Add(countAgain)
	for _, l := range p.d.leases {
		if l.expired(p.now) && p.q.inPool(l.Addr) && !(p.stranger && p.c.machineOf[l.MAC] != "") {
			s.leases = append(s.leases, l)
		}
	}
	slices.SortFunc(s.leases, func(a, b Lease) int {
		if x, y := p.c.machineOf[a.MAC] != "", p.c.machineOf[b.MAC] != ""; x != y {
			if x {
				return 1
			}
			return -1
		}
		return a.Expires.Compare(b.Expires)
	})
	if len(s.leases) > spareLeases {
		s.leases = slices.Clone(s.leases[:spareLeases])
		s.none = time.Time{}
	}
}

// hastened is an address that a stranger was offered, and has not taken for some time.
func (p *picker) hastened() netip.Addr {
	for _, o := range p.d.lapse {
		if p.now.Sub(o.made) < hasty {
			break
		}
		if l := p.d.leases[o.addr]; !o.known && p.d.offers[o.addr] == o && l.expired(p.now) && p.allowed(o.addr) == nil {
			return o.addr
		}
	}
	return netip.Addr{}
}
