package inventory

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// offerTime is how long an offered address waits for its REQUEST. PXE
	// ROMs collect offers for up to 60 s (PXE 2.1, 2.2.2: 4, 8, 16, 32 s).
	offerTime = 60 * time.Second
	// offerAgain is the age at which an offer that is repeated is prolonged.
	offerAgain = 5 * time.Second
	// maxLeases is how many addresses may be on record or offered: a pool of
	// millions, or a flood of made-up clients, must not fill store and memory.
	maxLeases = 1 << 17
)

// desk is what the DHCP servers decide by: the leases on record, which it
// mirrors, and the offers, which are nowhere else. A restart forgets offers;
// the REQUEST is then decided by the record alone.
//
// An address is held by one client: by its lease until that expires, else by
// its offer. Nobody else writes leases, so what is decided here needs no look at
// the store; but nobody is told of a lease before it is on disk. mu is held while
// one is appended, so that the order is the same there, and not while it is written.
type desk struct {
	mu     sync.Mutex
	loaded bool
	leases map[netip.Addr]Lease
	offers map[netip.Addr]offer
	lapse  []offer // in the order in which they lapse; some were replaced since
	seats  map[seat]holding
	macs   map[string]int // leases on record
	used   bitmap         // with a lease on record, or offered
	rooms  map[netip.Prefix]*room
	spares map[spareKey]*spares
	census *census
}

// seat is a client on a link; it has one lease there, and one offer.
type seat struct {
	network netip.Prefix
	mac     string
}

type holding struct{ lease, offer netip.Addr }

// offer is an address that waits for a client's REQUEST.
type offer struct {
	addr  netip.Addr
	to    seat
	known bool // of a machine that somebody added
	made  time.Time
}

func (o offer) live(now time.Time) bool { return o.addr.IsValid() && now.Sub(o.made) < offerTime }

func newDesk() *desk {
	return &desk{
		leases: map[netip.Addr]Lease{}, offers: map[netip.Addr]offer{}, seats: map[seat]holding{},
		macs: map[string]int{}, used: bitmap{}, rooms: map[netip.Prefix]*room{}, spares: map[spareKey]*spares{},
	}
}

// open locks the desk, with all leases on it.
func (in *Inventory) open(ctx context.Context) (*desk, error) {
	d := in.desk
	d.mu.Lock()
	if d.loaded {
		return d, nil
	}
	recs, err := in.leases.List(ctx)
	if err != nil {
		d.mu.Unlock()
		return nil, err
	}
	for _, r := range recs {
		d.record(r.Value)
	}
	d.loaded = true
	return d, nil
}

func (l Lease) seat() seat { return seat{l.Network, l.MAC} }

// record notes a lease that is on record, in place of the one before.
func (d *desk) record(l Lease) {
	d.erase(l.Addr)
	d.leases[l.Addr] = l
	d.used.set(number(l.Addr))
	if l.MAC == "" {
		return
	}
	d.macs[l.MAC]++
	s := d.seats[l.seat()]
	s.lease = l.Addr
	d.seats[l.seat()] = s
}

// erase forgets the lease of an address.
func (d *desk) erase(addr netip.Addr) {
	l, ok := d.leases[addr]
	if !ok {
		return
	}
	delete(d.leases, addr)
	d.vacate(addr)
	if l.MAC == "" {
		return
	}
	if d.macs[l.MAC]--; d.macs[l.MAC] == 0 {
		delete(d.macs, l.MAC)
	}
	if s := d.seats[l.seat()]; s.lease == addr {
		s.lease = netip.Addr{}
		d.sit(l.seat(), s)
	}
}

func (d *desk) sit(at seat, s holding) {
	if s == (holding{}) {
		delete(d.seats, at)
		return
	}
	d.seats[at] = s
}

// hold offers an address to a client, in place of what it was offered before.
func (d *desk) hold(o offer) {
	before := d.offers[o.addr]
	if before.to == o.to && o.made.Sub(before.made) < offerAgain {
		return
	}
	d.drop(before)
	s := d.seats[o.to]
	d.drop(d.offers[s.offer])
	s.offer = o.addr
	d.seats[o.to] = s
	d.offers[o.addr] = o
	d.used.set(number(o.addr))
	d.lapse = append(d.lapse, o)
}

// drop ends an offer.
func (d *desk) drop(o offer) {
	if !o.addr.IsValid() || d.offers[o.addr] != o {
		return
	}
	delete(d.offers, o.addr)
	d.vacate(o.addr)
	if s := d.seats[o.to]; s.offer == o.addr {
		s.offer = netip.Addr{}
		d.sit(o.to, s)
	}
}

// freed: somebody has given an address back.
func (d *desk) freed() {
	clear(d.rooms)
	clear(d.spares)
}

func (d *desk) vacate(addr netip.Addr) {
	if _, ok := d.leases[addr]; ok {
		return
	}
	if _, ok := d.offers[addr]; !ok {
		d.used.clear(number(addr))
	}
}

// sweep ends the offers that nobody took.
func (d *desk) sweep(now time.Time) {
	for len(d.lapse) > 0 && (!d.lapse[0].live(now) || d.offers[d.lapse[0].addr] != d.lapse[0]) {
		d.drop(d.lapse[0])
		d.lapse = d.lapse[1:]
	}
}

// full says whether no address may be taken that is neither on record nor offered.
func (d *desk) full() bool { return len(d.leases)+len(d.offers) >= maxLeases }

// holder is the client that has an address now; ok is false if nobody has. A
// declined address is held by the client without a MAC.
func (d *desk) holder(addr netip.Addr, now time.Time) (s seat, ok bool) {
	if l, on := d.leases[addr]; on && !l.expired(now) {
		return l.seat(), true
	}
	o := d.offers[addr]
	return o.to, o.live(now)
}

// freeFor says whether nobody but the client has an address now.
func (d *desk) freeFor(s seat, addr netip.Addr, now time.Time) bool {
	h, held := d.holder(addr, now)
	return !held || h.mac != "" && h.mac == s.mac
}
