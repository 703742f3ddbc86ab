package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxLooking bounds how many addresses are looked at at a time. In a storm
	// that is larger the others are offered without.
	maxLooking = 1024
	// maxLooks is how many addresses in a row may be a stranger's before a
	// client is left to ask again.
	maxLooks = 3
	// freeTime is for how long an address that was found free counts as free:
	// about as long as an offer of it.
	freeTime = time.Minute
	maxFree  = 8192
)

// conflicts looks whether an address is in use before a client that never had
// it is offered it (RFC 2131, 3.1, 2). The look takes a while, so it is made
// beside the workers.
type conflicts struct {
	// inUse returns who answers to an address; "" if nobody does, or if it is
	// the client itself that does.
	inUse func(ctx context.Context, a netip.Addr, onWire bool, client string) (by string)
	// spawn runs a look; false: too many run.
	spawn func(func()) bool

	mu      sync.Mutex
	looking map[netip.Addr]bool
	free    map[netip.Addr]time.Time // since when
}

// begin reports whether a is to be looked at, and whether somebody does so
// already.
func (c *conflicts) begin(a netip.Addr) (look, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.free[a]) < freeTime {
		return false, false
	}
	if c.looking[a] {
		return false, true
	}
	if c.looking == nil {
		c.looking, c.free = map[netip.Addr]bool{}, map[netip.Addr]time.Time{}
	}
	c.looking[a] = true
	return true, false
}

func (c *conflicts) end(a netip.Addr, free bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.looking, a)
	if !free {
		return
	}
	if len(c.free) >= maxFree {
		clear(c.free)
	}
	c.free[a] = time.Now()
}

// looked answers a DISCOVER after looking at the address to be offered, and at
// others if that is a stranger's.
func (x *exchange) looked(ctx context.Context, a netip.Addr) outcome {
	c := x.l.conflicts
	for range maxLooks {
		by := c.inUse(ctx, a, x.seg == &x.place.wire, x.q.MAC.String())
		c.end(a, by == "" && ctx.Err() == nil)
		if by == "" {
			return x.give(ctx, Offer, a)
		}
		x.l.log.Warn("an address of the range is in use by a stranger", "address", a, "by", by, "interface", x.l.config.Name,
			"remedy", "give that device another address, or write this one under exclude:")
		if a == x.d.Address && x.l.others != nil {
			x.l.others.warn(fmt.Sprintf("the address %s, which is kept for %s, is in use by %s, so it is given another. Remedy: give that device another address, "+
				"or keep another for the machine, `bootes machine set %s --address ADDRESS`", a, x.d.Machine, by, x.d.Machine))
		}
		if err := x.l.leases.Decline(ctx, x.q.MAC, a); err != nil {
			return failure(err)
		}
		out := x.offer(ctx)
		if !out.look.IsValid() {
			return out
		}
		a = out.look
	}
	c.end(a, false)
	return silence("%d addresses in a row are in use by strangers", maxLooks)
}

// offer picks an address for a DISCOVER, and answers with it or says that it is
// to be looked at first.
func (x *exchange) offer(ctx context.Context) outcome {
	lease, err := x.l.leases.Offer(ctx, x.leaseRequest(x.q.Requested))
	if errors.Is(err, ErrPoolFull) && !x.q.Simulated {
		x.l.full.warn(x, time.Now())
	}
	if err != nil {
		out := failure(fmt.Errorf("offer an address out of the range %s: %w", x.seg, err))
		if errors.Is(err, ErrPoolFull) {
			out.reply.Full = FullPool{Network: x.seg.subnets[0], Range: x.seg.String(), Addresses: x.seg.size(), Pools: x.seg.pools}
		}
		return out
	}
	if x.l.conflicts == nil || !lease.New || x.q.Simulated {
		return x.give(ctx, Offer, lease.Addr)
	}
	switch look, busy := x.l.conflicts.begin(lease.Addr); {
	case busy:
		out := silence("this server looks first whether %s is free", lease.Addr)
		out.reply.Looking = true
		return out
	case look:
		return outcome{look: lease.Addr}
	}
	return x.give(ctx, Offer, lease.Addr)
}
