package inventory

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"time"
)

// picker chooses an address for one client. It has the desk.
type picker struct {
	in   *Inventory
	d    *desk
	c    *census
	q    LeaseRequest
	me   seat
	now  time.Time
	name string // of the client's machine; "" if nobody added it
	// stranger: nobody has heard of the client, neither as a machine nor as one
	// that the config gives an address.
	stranger bool
}

// picker opens the desk; whoever gets one closes it.
func (in *Inventory) picker(ctx context.Context, q LeaseRequest) (*picker, error) {
	d, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	c, err := in.take(ctx)
	if err != nil {
		d.mu.Unlock()
		return nil, err
	}
	p := &picker{in: in, d: d, c: c, q: q, me: seat{q.network(), q.MAC.String()}, now: in.now()}
	p.name = c.machineOf[p.me.mac]
	p.stranger = p.name == "" && !(len(q.Pools) == 1 && q.Pools[0].size() == 1)
	d.sweep(p.now)
	return p, nil
}

func (p *picker) close() { p.d.mu.Unlock() }

func (p *picker) pick() (netip.Addr, error) {
	ways := []func() netip.Addr{p.reserved, p.mine, p.last, p.wanted, p.untouched, p.oldest, p.hastened}
	if p.stranger && !p.d.admits(p.q, p.now) {
		ways = []func() netip.Addr{p.mine, p.hastened}
	}
	for _, choose := range ways {
		if addr := choose(); addr.IsValid() {
			return addr, nil
		}
	}
	return netip.Addr{}, ErrPoolFull
}

// reserved is the address kept for the client's machine, if it is free. Two
// cards of one machine do not share it while the lease of one lasts.
func (p *picker) reserved() netip.Addr { return p.ifFree(p.c.addrOf[p.name]) }

// mine is the address that the client has now, by its lease or by an offer.
func (p *picker) mine() netip.Addr {
	s := p.had()
	for _, addr := range []netip.Addr{s.lease, s.offer} {
		if h, held := p.d.holder(addr, p.now); held && h.mac == p.me.mac && p.allowed(addr) == nil {
			return addr
		}
	}
	return netip.Addr{}
}

// last is the address that the client had, if nobody has it now.
func (p *picker) last() netip.Addr { return p.ifFree(p.had().lease) }

// had is what the client has, or had, on this link. If that is nothing, the link
// may have had another name then: its networks were written anew in the config.
func (p *picker) had() holding {
	s := p.d.seats[p.me]
	if s != (holding{}) || p.d.macs[p.me.mac] == 0 {
		return s
	}
	for addr, l := range p.d.leases {
		if l.MAC == p.me.mac && p.allowed(addr) == nil {
			return holding{lease: addr}
		}
	}
	return s
}

// wanted is the address that the client asks for, if nobody ever had it.
func (p *picker) wanted() netip.Addr {
	if p.d.full() || p.allowed(p.q.Wanted) != nil || p.d.used.has(number(p.q.Wanted)) {
		return netip.Addr{}
	}
	return p.q.Wanted
}

func (p *picker) ifFree(addr netip.Addr) netip.Addr {
	if p.allowed(addr) != nil || !p.d.freeFor(p.me, addr, p.now) {
		return netip.Addr{}
	}
	return addr
}

// untouched is an address without any record or offer. The search begins at a
// place that the MAC decides: a client tends to get the same address even from an
// empty store, and clients that come at once spread over the pools.
func (p *picker) untouched() netip.Addr {
	if p.d.full() {
		return netip.Addr{}
	}
	for _, part := range p.parts() {
		if addr := p.gap(uint64(number(part.First)), uint64(number(part.Last))); addr.IsValid() {
			return addr
		}
	}
	return netip.Addr{}
}

// parts are the pools, beginning in the midst of one and coming round to it.
func (p *picker) parts() []Pool {
	var size uint64
	for _, q := range p.q.Pools {
		size += q.size()
	}
	if size == 0 {
		return nil
	}
	h := fnv.New64a()
	h.Write(p.q.MAC)
	at, i := h.Sum64()%size, 0
	for at >= p.q.Pools[i].size() {
		at -= p.q.Pools[i].size()
		i++
	}
	begin := p.q.Pools[i]
	start := address(number(begin.First) + uint32(at))
	parts := append([]Pool{{start, begin.Last}}, p.q.Pools[i+1:]...)
	parts = append(parts, p.q.Pools[:i]...)
	return append(parts, Pool{begin.First, start})
}

func (p Pool) size() uint64 { return uint64(number(p.Last)) - uint64(number(p.First)) + 1 }

// gap is the first usable address that is untouched from at to end.
func (p *picker) gap(at, end uint64) netip.Addr {
	for {
		n, ok := p.d.used.gap(at, end)
		if !ok {
			return netip.Addr{}
		}
		if addr := address(uint32(n)); p.allowed(addr) == nil {
			return addr
		}
		at = n + 1
	}
}

// allowed says whether the client may have addr at all: its own reservation,
// or one of the pool that is reserved for nobody else.
func (p *picker) allowed(addr netip.Addr) error {
	if !addr.Is4() || p.q.excluded(addr) || !p.q.onLink(addr) {
		return ErrOutOfPool
	}
	switch owner := p.c.reserved[addr]; {
	case owner != "" && owner != p.name:
		return ErrLeaseTaken
	case owner == "" && !p.q.inPool(addr):
		return ErrOutOfPool
	}
	return nil
}

// claim says whether the client may have the wanted address, and holds it.
func (p *picker) claim() error {
	if err := p.allowed(p.q.Wanted); err != nil {
		return err
	}
	if !p.d.freeFor(p.me, p.q.Wanted, p.now) {
		return ErrLeaseTaken
	}
	if h, held := p.d.holder(p.q.Wanted, p.now); !(held && h.mac == p.me.mac) && p.stranger && !p.d.admits(p.q, p.now) {
		return ErrPoolFull
	}
	if p.d.full() && !p.d.used.has(number(p.q.Wanted)) {
		return ErrPoolFull
	}
	if l := p.d.leases[p.q.Wanted]; l.seat() != p.me || !l.Expires.After(p.now.Add(offerTime)) {
		p.hold(p.q.Wanted)
	}
	return nil
}

func (p *picker) hold(addr netip.Addr) {
	if _, held := p.d.holder(addr, p.now); !held {
		if r := p.d.rooms[p.me.network]; r != nil {
			r.free--
		}
	}
	p.d.hold(offer{addr: addr, to: p.me, known: !p.stranger, made: p.now})
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
