package inventory

import (
	"context"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"time"

	"bootes.dev/internal/store"
)

// LeaseState says how far a client has come with an address.
type LeaseState string

const (
	Offered  LeaseState = "offered"  // held for the client's REQUEST
	Bound    LeaseState = "bound"    // acknowledged, until Expires
	Declined LeaseState = "declined" // found in use by a stranger; nobody's until Expires
)

// declineTime keeps an address out of use after a client found it taken.
const declineTime = time.Hour

// Lease is an address and who has it. An expired lease stays on record until
// its address is needed, so that a client finds its old address again.
type Lease struct {
	Addr      netip.Addr `json:"addr"`
	MAC       string     `json:"mac,omitempty"` // "" if declined
	Interface string     `json:"interface"`
	// Network names the client's link: the first of its subnets.
	Network  netip.Prefix `json:"network"`
	Hostname string       `json:"hostname,omitempty"`
	State    LeaseState   `json:"state"`
	Expires  time.Time    `json:"expires"`
	// New: the client was not bound to it when it was offered.
	New bool `json:"-"`
}

// LeaseRequest is what a DHCP server asks.
type LeaseRequest struct {
	MAC       net.HardwareAddr
	Interface string
	// Subnets of the client's link. The first names it: a client has one lease
	// on each link. An address reserved for a machine is given on its link only.
	Subnets  []netip.Prefix
	Pools    []Pool
	Wanted   netip.Addr // zero: none in particular
	TTL      time.Duration
	Hostname string
	Exclude  []netip.Addr // never leased: the server's own, the router's
	Look     bool         // Offer only says which address it would be
}

// Pool is addresses in a row, both ends included.
type Pool struct{ First, Last netip.Addr }

func (l Lease) expired(now time.Time) bool { return !now.Before(l.Expires) }

// Offer picks an address and holds it for a minute: the one reserved for the
// machine; else the client's last one; else the wanted one if nobody ever had
// it; else one that nobody ever had; else the one that expired first.
// ErrPoolFull when there is none. Nothing is written.
func (in *Inventory) Offer(ctx context.Context, q LeaseRequest) (Lease, error) {
	p, err := in.picker(ctx, q)
	if err != nil {
		return Lease{}, err
	}
	defer p.close()
	addr, err := p.pick()
	if err != nil {
		return Lease{}, err
	}
	// An offer neither shortens a lease nor ends the one that the client runs
	// on: anyone can send a DISCOVER in its name.
	old, until := p.d.leases[addr], p.now.Add(offerTime).UTC()
	if old.MAC == p.me.mac && old.State == Bound && old.Expires.After(until) {
		return old, nil
	}
	if !q.Look {
		p.hold(addr)
	}
	return Lease{
		Addr: addr, MAC: p.me.mac, Interface: q.Interface, Network: p.me.network, Hostname: q.Hostname, State: Offered, Expires: until,
		New: old.MAC != p.me.mac,
	}, nil
}

// Commit binds the wanted address to the client for q.TTL, and returns when that
// is on disk. ErrLeaseTaken if it is another's, ErrOutOfPool if it is none that
// this client may have here.
func (in *Inventory) Commit(ctx context.Context, q LeaseRequest) (Lease, error) {
	p, err := in.picker(ctx, q)
	if err != nil {
		return Lease{}, err
	}
	if err := p.claim(); err != nil {
		p.close()
		return Lease{}, err
	}
	l := Lease{Addr: q.Wanted, MAC: p.me.mac, Interface: q.Interface, Network: q.network(), Hostname: q.Hostname, State: Bound, Expires: p.now.Add(q.TTL).UTC()}
	written := in.bind(p.me, l)
	p.close()
	return l, written.Wait()
}

// bind records a client's lease, in place of the one that it had on this link.
func (in *Inventory) bind(me seat, l Lease) store.Appended {
	d := in.desk
	changes := []store.Change[Lease]{{Key: addrKey(l.Addr), Value: &l}}
	if before := d.seats[me].lease; before.IsValid() && before != l.Addr {
		d.erase(before)
		changes = append(changes, store.Change[Lease]{Key: addrKey(before)})
	}
	d.record(l)
	if o := d.offers[l.Addr]; o.to == me {
		d.drop(o)
	}
	return in.leases.Append(changes...)
}

// Release ends a lease before its time, if it is that client's. The address
// remains its first choice.
func (in *Inventory) Release(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return in.endLease(ctx, mac, addr, func(l *Lease) { l.Expires = in.now().UTC() })
}

// Decline takes an address out of use for an hour: its client, or whoever made
// sure for it, found that someone else answers to it.
func (in *Inventory) Decline(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return in.endLease(ctx, mac, addr, func(l *Lease) {
		l.MAC, l.Hostname = "", ""
		l.State, l.Expires = Declined, in.now().Add(declineTime).UTC()
	})
}

// endLease changes a lease or an offer that is mac's; another's is left alone in
// silence, as RFC 2131, 4.3.3 and 4.3.4 leave the client no answer anyhow.
func (in *Inventory) endLease(ctx context.Context, mac net.HardwareAddr, addr netip.Addr, end func(*Lease)) error {
	if !addr.Is4() {
		return nil
	}
	d, err := in.open(ctx)
	if err != nil {
		return err
	}
	l, o := d.leases[addr], d.offers[addr]
	offered := o.live(in.now()) && o.to.mac == mac.String()
	switch {
	case offered && l.expired(in.now()):
		l = Lease{Addr: addr, MAC: mac.String(), Network: o.to.network, State: Offered}
	case l.MAC != mac.String():
		d.mu.Unlock()
		return nil
	}
	if offered {
		d.drop(o)
	}
	end(&l)
	d.record(l)
	d.freed()
	written := in.leases.Append(store.Change[Lease]{Key: addrKey(addr), Value: &l})
	d.mu.Unlock()
	return written.Wait()
}

// Leases are all leases in the order of their addresses, expired ones and what
// is on offer too.
func (in *Inventory) Leases(ctx context.Context) ([]Lease, error) {
	d, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	now, all := in.now(), make([]Lease, 0, len(d.leases)+len(d.offers))
	for addr, l := range d.leases {
		if l.expired(now) && d.offers[addr].live(now) {
			continue
		}
		all = append(all, l)
	}
	for addr, o := range d.offers {
		if l := d.leases[addr]; l.expired(now) && o.live(now) {
			all = append(all, Lease{Addr: addr, MAC: o.to.mac, Network: o.to.network, State: Offered, Expires: o.made.Add(offerTime).UTC()})
		}
	}
	slices.SortFunc(all, func(a, b Lease) int { return a.Addr.Compare(b.Addr) })
	return all, nil
}

// CountLeases is how many addresses of each network, given by its pools, are
// bound now.
func (in *Inventory) CountLeases(ctx context.Context, networks [][]Pool) ([]int, error) {
	d, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	now, counts := in.now(), make([]int, len(networks))
	for addr, l := range d.leases {
		if l.State != Bound || l.expired(now) {
			continue
		}
		for i, pools := range networks {
			if within(pools, addr) {
				counts[i]++
			}
		}
	}
	return counts, nil
}

// LeaseAt is the lease of an address that is bound now. *NotFoundError when
// there is none.
func (in *Inventory) LeaseAt(ctx context.Context, addr netip.Addr) (Lease, error) {
	d, err := in.open(ctx)
	if err != nil {
		return Lease{}, err
	}
	defer d.mu.Unlock()
	l, ok := d.leases[addr]
	if !ok || l.State != Bound || l.expired(in.now()) {
		return l, &NotFoundError{Kind: "lease of", Name: addr.String()}
	}
	return l, nil
}

// addrKey sorts as the addresses do.
func addrKey(a netip.Addr) string { return hex.EncodeToString(a.AsSlice()) }

func addrOf(key string) netip.Addr {
	b, _ := hex.DecodeString(key)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// network names the client's link.
func (q LeaseRequest) network() (p netip.Prefix) {
	if len(q.Subnets) > 0 {
		p = q.Subnets[0]
	}
	return p
}

func (q LeaseRequest) onLink(a netip.Addr) bool {
	return slices.ContainsFunc(q.Subnets, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (q LeaseRequest) inPool(a netip.Addr) bool { return within(q.Pools, a) }

func within(pools []Pool, a netip.Addr) bool {
	return slices.ContainsFunc(pools, func(p Pool) bool { return p.First.Compare(a) <= 0 && a.Compare(p.Last) <= 0 })
}

func (q LeaseRequest) excluded(a netip.Addr) bool { return slices.Contains(q.Exclude, a) }
