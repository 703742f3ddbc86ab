package inventory

import (
	"context"
	"encoding/hex"
	"errors"
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

const (
	// offerTime is how long an offered address waits for its REQUEST. PXE
	// ROMs collect offers for up to 60 s (PXE 2.1, 2.2.2: 4, 8, 16, 32 s).
	offerTime = 60 * time.Second
	// declineTime keeps an address out of use after a client found it taken.
	declineTime = time.Hour
)

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
}

// Pool is addresses in a row, both ends included.
type Pool struct{ First, Last netip.Addr }

func (l Lease) expired(now time.Time) bool { return !now.Before(l.Expires) }

// Offer picks an address and holds it for a minute: the one reserved for the
// machine; else the client's last one; else the wanted one if nobody ever had
// it; else one that nobody ever had; else the one that expired first.
// ErrPoolFull when there is none.
func (in *Inventory) Offer(ctx context.Context, q LeaseRequest) (Lease, error) {
	var got Lease
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		p := picker{in: in, tx: tx, q: q, mac: q.MAC.String(), now: in.now()}
		addr, err := p.pick()
		if err != nil {
			return err
		}
		got, err = p.take(addr, Offered, p.now.Add(offerTime))
		return err
	})
	return got, err
}

// Commit binds the wanted address to the client for q.TTL. ErrLeaseTaken if it
// is another's, ErrOutOfPool if it is none that this client may have here.
func (in *Inventory) Commit(ctx context.Context, q LeaseRequest) (Lease, error) {
	var got Lease
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		p := picker{in: in, tx: tx, q: q, mac: q.MAC.String(), now: in.now()}
		if err := p.allowed(q.Wanted); err != nil {
			return err
		}
		free, err := p.free(q.Wanted)
		if err != nil {
			return err
		}
		if !free {
			return ErrLeaseTaken
		}
		got, err = p.take(q.Wanted, Bound, p.now.Add(q.TTL))
		return err
	})
	return got, err
}

// Release ends a lease before its time, if it is that client's. The address
// remains its first choice.
func (in *Inventory) Release(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return in.endLease(ctx, mac, addr, func(_ *store.Tx, l *Lease) {
		l.Expires = in.now().UTC()
	})
}

// Decline takes an address out of use for an hour: its client found that
// someone else answers to it.
func (in *Inventory) Decline(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return in.endLease(ctx, mac, addr, func(tx *store.Tx, l *Lease) {
		in.holders.In(tx).Delete(holderKey(l.Network, l.MAC))
		l.MAC, l.Hostname = "", ""
		l.State, l.Expires = Declined, in.now().Add(declineTime).UTC()
	})
}

// endLease changes a lease that is mac's; another's is left alone in silence,
// as RFC 2131, 4.3.3 and 4.3.4 leave the client no answer anyhow.
func (in *Inventory) endLease(ctx context.Context, mac net.HardwareAddr, addr netip.Addr, end func(*store.Tx, *Lease)) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		l, err := in.leases.In(tx).Get(addrKey(addr))
		if errors.Is(err, store.ErrNotFound) || err == nil && l.MAC != mac.String() {
			return nil
		}
		if err != nil {
			return err
		}
		end(tx, &l)
		return in.leases.In(tx).Put(addrKey(addr), l)
	})
}

// Leases are all leases on record in the order of their addresses, expired
// ones too.
func (in *Inventory) Leases(ctx context.Context) ([]Lease, error) {
	return values(in.leases.List(ctx))
}

// LeaseOf is the lease that a client holds now on a link, which the first of
// its subnets names. *NotFoundError when there is none.
func (in *Inventory) LeaseOf(ctx context.Context, network netip.Prefix, mac string) (Lease, error) {
	missing := &NotFoundError{Kind: "lease of", Name: mac}
	r, err := in.holders.Get(ctx, holderKey(network, mac))
	if errors.Is(err, store.ErrNotFound) {
		return Lease{}, missing
	}
	if err != nil {
		return Lease{}, err
	}
	l, err := absentIsZero(in.leases.Get(ctx, r.Value))
	if err == nil && (l.Value.MAC != mac || l.Value.expired(in.now())) {
		err = missing
	}
	return l.Value, err
}

// LeaseAt is the lease of an address that is bound now. *NotFoundError when
// there is none.
func (in *Inventory) LeaseAt(ctx context.Context, addr netip.Addr) (Lease, error) {
	l, err := absentIsZero(in.leases.Get(ctx, addrKey(addr)))
	if err == nil && (l.Value.State != Bound || l.Value.expired(in.now())) {
		err = &NotFoundError{Kind: "lease of", Name: addr.String()}
	}
	return l.Value, err
}

// addrKey sorts as the addresses do.
func addrKey(a netip.Addr) string { return hex.EncodeToString(a.AsSlice()) }

func holderKey(network netip.Prefix, mac string) string { return network.String() + "/" + mac }

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

func (q LeaseRequest) inPool(a netip.Addr) bool {
	return slices.ContainsFunc(q.Pools, func(p Pool) bool { return p.First.Compare(a) <= 0 && a.Compare(p.Last) <= 0 })
}

func (q LeaseRequest) excluded(a netip.Addr) bool { return slices.Contains(q.Exclude, a) }
