package inventory

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net/netip"
	"time"

	"bootes.dev/internal/store"
)

// gapScan is how many leases one look for a gap reads.
const gapScan = 128

// picker chooses an address for one client within one transaction.
type picker struct {
	in  *Inventory
	tx  *store.Tx
	q   LeaseRequest
	mac string
	now time.Time
}

func (p *picker) pick() (netip.Addr, error) {
	ways := []func() (netip.Addr, error){p.reserved, p.last, p.wanted, p.untouched, p.oldest}
	for _, choose := range ways {
		addr, err := choose()
		if err != nil || addr.IsValid() {
			return addr, err
		}
	}
	return netip.Addr{}, ErrPoolFull
}

// reserved is the address kept for the client's machine, if it is free. Two
// cards of one machine do not share it while the lease of one lasts.
func (p *picker) reserved() (netip.Addr, error) {
	addr, err := p.reservation()
	if err != nil || !p.q.onLink(addr) {
		return netip.Addr{}, err
	}
	free, err := p.free(addr)
	if err != nil || !free {
		return netip.Addr{}, err
	}
	return addr, nil
}

// last is the address that the client had, expired or not.
func (p *picker) last() (netip.Addr, error) {
	key, err := p.in.holders.In(p.tx).Get(holderKey(p.q.network(), p.mac))
	if errors.Is(err, store.ErrNotFound) {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}
	l, err := absentIsZero(p.in.leases.In(p.tx).Get(key))
	if err != nil || l.MAC != p.mac {
		return netip.Addr{}, err
	}
	return p.ifAllowed(l.Addr)
}

func (p *picker) wanted() (netip.Addr, error) { return p.ifUntouched(p.q.Wanted) }

func (p *picker) ifAllowed(addr netip.Addr) (netip.Addr, error) {
	err := p.allowed(addr)
	if errors.Is(err, ErrOutOfPool) || errors.Is(err, ErrLeaseTaken) {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}
	return addr, nil
}

func (p *picker) ifUntouched(addr netip.Addr) (netip.Addr, error) {
	addr, err := p.ifAllowed(addr)
	if err != nil || !addr.IsValid() {
		return netip.Addr{}, err
	}
	l, err := p.in.leases.In(p.tx).Get(addrKey(addr))
	if errors.Is(err, store.ErrNotFound) || err == nil && l.MAC == p.mac {
		return addr, nil
	}
	return netip.Addr{}, err
}

// untouched is an address without any record, or offered to this client. The search begins at a place
// that the MAC decides: a client tends to get the same address even from an
// empty store, and clients that come at once spread over the pools.
func (p *picker) untouched() (netip.Addr, error) {
	for _, part := range p.parts() {
		addr, err := p.gap(part.First, part.Last)
		if err != nil || addr.IsValid() {
			return addr, err
		}
	}
	return netip.Addr{}, nil
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

// gap is the first usable address without a record from first to last. It
// looks outside of the transaction, which only the one address chosen joins:
// otherwise every lease made would make every other client try again.
func (p *picker) gap(first, last netip.Addr) (netip.Addr, error) {
	at, end := uint64(number(first)), uint64(number(last)) // 64 bits: at may pass the last address there is
	for at <= end {
		stop, taken, err := p.known(uint32(at), uint32(end))
		if err != nil {
			return netip.Addr{}, err
		}
		for ; at <= uint64(stop); at++ {
			addr := address(uint32(at))
			if taken[addr] {
				continue
			}
			addr, err := p.ifUntouched(addr)
			if err != nil || addr.IsValid() {
				return addr, err
			}
		}
	}
	return netip.Addr{}, nil
}

// known reads which addresses from at to stop have a record of someone else;
// stop is end, or less when there are many records before it.
func (p *picker) known(at, end uint32) (stop uint32, taken map[netip.Addr]bool, err error) {
	recs, err := p.in.leases.ListFrom(p.tx.Context(), addrKey(address(at)), gapScan)
	if err != nil {
		return 0, nil, err
	}
	stop, taken = end, make(map[netip.Addr]bool, len(recs))
	for _, r := range recs {
		if r.Value.MAC != p.mac {
			taken[r.Value.Addr] = true
		}
	}
	if len(recs) == gapScan {
		stop = min(end, number(recs[gapScan-1].Value.Addr))
	}
	return stop, taken, nil
}

// oldest is the address whose lease expired first.
func (p *picker) oldest() (netip.Addr, error) {
	recs, err := p.in.leases.List(p.tx.Context())
	if err != nil {
		return netip.Addr{}, err
	}
	var best Lease
	for _, r := range recs {
		l := r.Value
		if !l.expired(p.now) || best.Addr.IsValid() && !l.Expires.Before(best.Expires) {
			continue
		}
		addr, err := p.ifAllowed(l.Addr)
		if err != nil {
			return netip.Addr{}, err
		}
		if addr.IsValid() {
			best = l
		}
	}
	if !best.Addr.IsValid() {
		return netip.Addr{}, nil
	}
	free, err := p.free(best.Addr) // joins the transaction
	if err != nil || !free {
		return netip.Addr{}, err
	}
	return best.Addr, nil
}

// reservation is the address kept for the client's machine; zero if none.
func (p *picker) reservation() (netip.Addr, error) {
	name, err := absentIsZero(p.in.macs.In(p.tx).Get(p.mac))
	if err != nil || name == "" {
		return netip.Addr{}, err
	}
	m, err := absentIsZero(p.in.machines.In(p.tx).Get(name))
	return m.Address, err
}

// allowed says whether the client may have addr at all: its own reservation,
// or one of the pool that is reserved for nobody else.
func (p *picker) allowed(addr netip.Addr) error {
	if !addr.Is4() || p.q.excluded(addr) || !p.q.onLink(addr) {
		return ErrOutOfPool
	}
	owner, err := absentIsZero(p.in.reserved.In(p.tx).Get(addrKey(addr)))
	if err != nil {
		return err
	}
	if owner != "" {
		name, err := absentIsZero(p.in.macs.In(p.tx).Get(p.mac))
		if err == nil && name != owner {
			err = ErrLeaseTaken
		}
		return err
	}
	if !p.q.inPool(addr) {
		return ErrOutOfPool
	}
	return nil
}

// free says whether nobody else holds addr now.
func (p *picker) free(addr netip.Addr) (bool, error) {
	l, err := absentIsZero(p.in.leases.In(p.tx).Get(addrKey(addr)))
	return l.MAC == p.mac || l.expired(p.now), err
}

// take writes the lease of addr. An offer neither shortens a bound lease nor
// ends the one that the client runs on: anyone can send a DISCOVER in its name.
func (p *picker) take(addr netip.Addr, state LeaseState, until time.Time) (Lease, error) {
	leases := p.in.leases.In(p.tx)
	old, err := absentIsZero(leases.Get(addrKey(addr)))
	if err != nil {
		return Lease{}, err
	}
	if state == Offered && old.MAC == p.mac && old.State == Bound && old.Expires.After(until) {
		return old, nil
	}
	if err := p.evict(old); err != nil {
		return Lease{}, err
	}
	if err := p.move(addr, state); err != nil {
		return Lease{}, err
	}
	l := Lease{Addr: addr, MAC: p.mac, Interface: p.q.Interface, Network: p.q.network(), Hostname: p.q.Hostname, State: state, Expires: until.UTC(),
		New: state == Offered && (old.MAC != p.mac || old.State == Offered)}
	return l, leases.Put(addrKey(addr), l)
}

// evict makes the last owner of a lease forget it.
func (p *picker) evict(old Lease) error {
	key := holderKey(old.Network, old.MAC)
	if old.MAC == "" || key == holderKey(p.q.network(), p.mac) {
		return nil
	}
	holders := p.in.holders.In(p.tx)
	had, err := absentIsZero(holders.Get(key))
	if err == nil && had == addrKey(old.Addr) {
		holders.Delete(key)
	}
	return err
}

// move makes addr the address of the client, and frees the one that it had.
func (p *picker) move(addr netip.Addr, state LeaseState) error {
	holders, leases := p.in.holders.In(p.tx), p.in.leases.In(p.tx)
	mine := holderKey(p.q.network(), p.mac)
	before, err := absentIsZero(holders.Get(mine))
	if err != nil {
		return err
	}
	if before != "" && before != addrKey(addr) {
		l, err := absentIsZero(leases.Get(before))
		if err != nil {
			return err
		}
		if state == Offered && l.State == Bound && !l.expired(p.now) {
			return nil
		}
		if l.MAC == p.mac {
			leases.Delete(before)
		}
	}
	return holders.Put(mine, addrKey(addr))
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
