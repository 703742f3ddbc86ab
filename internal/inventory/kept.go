package inventory

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// census says who has been added. It is taken anew when the records that it was
// made of have changed.
type census struct {
	macsAt, reservedAt int64                 // their revisions
	machineOf          map[string]string     // MAC →
	waiting            map[string][]string   // machine without an address of its own → MACs
	reserved           map[netip.Addr]string // → machine
	addrOf             map[string]netip.Addr // that is reserved for a machine
}

// take takes the census of now. Its caller holds the desk.
func (in *Inventory) take(ctx context.Context) (*census, error) {
	macsAt, reservedAt := in.macs.Revision(), in.reserved.Revision()
	if c := in.desk.census; c != nil && c.macsAt == macsAt && c.reservedAt == reservedAt {
		return c, nil
	}
	macs, err := in.macs.List(ctx)
	if err != nil {
		return nil, err
	}
	reserved, err := in.reserved.List(ctx)
	if err != nil {
		return nil, err
	}
	c := &census{macsAt: macsAt, reservedAt: reservedAt, machineOf: map[string]string{}, waiting: map[string][]string{}, reserved: map[netip.Addr]string{}, addrOf: map[string]netip.Addr{}}
	for _, r := range macs {
		c.machineOf[r.Key] = r.Value
		c.waiting[r.Value] = append(c.waiting[r.Value], r.Key)
	}
	for _, r := range reserved {
		c.reserved[addrOf(r.Key)], c.addrOf[r.Value] = r.Value, addrOf(r.Key)
		delete(c.waiting, r.Value)
	}
	in.desk.census = c
	clear(in.desk.rooms)
	return c, nil
}

// room is what the pools of a link have for strangers: what is free beyond one
// address for each machine that was added and has never had one. So clients that
// nobody knows, made up or not, do not keep a machine from its first boot; from
// then on its lease is on record, and strangers do not get that either. An eighth
// of the pools is theirs, however many machines wait.
type room struct {
	pools      []Pool
	free, kept int // free: at least
	counted    time.Time
}

// countAgain is how long a link without room for strangers is taken to have none.
const countAgain = time.Second

// admits says whether a stranger may have one more address.
func (d *desk) admits(q LeaseRequest, now time.Time) bool {
	r := d.rooms[q.network()]
	if r == nil || !slices.Equal(r.pools, q.Pools) || r.free <= r.kept && now.Sub(r.counted) >= countAgain {
		r = d.count(q, now)
		d.rooms[q.network()] = r
	}
	return r.free > r.kept
}

func (d *desk) count(q LeaseRequest, now time.Time) *room {
	r := &room{pools: slices.Clone(q.Pools), counted: now}
	var size uint64
	for _, p := range q.Pools {
		size += p.size()
	}
	r.free = int(size)
	for addr, l := range d.leases {
		if q.inPool(addr) && (!l.expired(now) || d.census.machineOf[l.MAC] != "" || d.offers[addr].live(now)) {
			r.free--
		}
	}
	for addr := range d.offers {
		if _, counted := d.leases[addr]; q.inPool(addr) && !counted {
			r.free--
		}
	}
	for addr := range d.census.reserved {
		if q.inPool(addr) && !d.used.has(number(addr)) {
			r.free--
		}
	}
	for _, addr := range q.Exclude {
		if q.inPool(addr) {
			r.free--
		}
	}
	for _, macs := range d.census.waiting {
		if !slices.ContainsFunc(macs, func(mac string) bool {
			return d.macs[mac] > 0 || d.seats[seat{q.network(), mac}].offer.IsValid()
		}) {
			r.kept++
		}
	}
	r.kept = min(r.kept, int(size-size/8-1))
	return r
}
