// Package locator tells which machine has an address.
package locator

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/netif"
)

// Locator tells which machine has an address. On a wire of ours the neighbour
// table knows, and nothing else counts. Behind a router it knows the router
// alone: there it is who has the lease or, if another server gives the
// addresses, whose REQUEST for it came to us through a relay. Both are believed
// of networks that the config has, and of addresses in them, alone: to be taken for
// a machine, one must be on its network, as on ours one must to answer ARP in its name.
type Locator struct {
	inv   *inventory.Inventory
	waits chan struct{} // full: nobody else may wait for an answer by ARP

	mu    sync.Mutex
	heard map[netip.Addr]hearing
}

// hearing is a client of another server, behind a relay.
type hearing struct {
	mac net.HardwareAddr
	at  time.Time
}

const (
	// hearingTime is longer than the leases that sites give.
	hearingTime = 24 * time.Hour
	maxHeard    = 4096
	// maxWaits is how many may wait until it is known who has an address. Anybody
	// can ask for a loader in the name of addresses that nobody has; machines
	// have asked for our MAC, and so told theirs, before they ask for anything.
	maxWaits = 8
)

// New is a locator that has heard nobody yet.
func New(inv *inventory.Inventory) *Locator {
	return &Locator{inv: inv, waits: make(chan struct{}, maxWaits)}
}

// Locate is the MAC address of whoever has a; false: nobody knows.
func (l *Locator) Locate(ctx context.Context, a netip.Addr) (net.HardwareAddr, bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if mac, ok := l.neighbour(ctx, a); ok || onWire(a) {
		return mac, ok
	}
	return l.behindRouter(ctx, a)
}

// behindRouter is whose lease it is, or who has said to a relay that it takes it.
func (l *Locator) behindRouter(ctx context.Context, a netip.Addr) (net.HardwareAddr, bool) {
	if lease, err := l.inv.LeaseAt(ctx, a); err == nil {
		mac, err := net.ParseMAC(lease.MAC)
		return mac, err == nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.heard[a]
	return h.mac, ok && time.Since(h.at) < hearingTime
}

// neighbour is what the neighbour table says.
func (l *Locator) neighbour(ctx context.Context, a netip.Addr) (net.HardwareAddr, bool) {
	select {
	case l.waits <- struct{}{}:
		defer func() { <-l.waits }()
	default:
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	return netif.MACOf(ctx, "", a)
}

// onWire reports whether a is reached without a router.
func onWire(a netip.Addr) bool {
	all, err := netif.List()
	for _, i := range all {
		for _, p := range i.Addrs {
			if p.Contains(a) {
				return true
			}
		}
	}
	return err != nil
}

// Hear notes the address that a relayed client of another server is about to
// have. When there are too many the oldest goes.
func (l *Locator) Hear(q dhcp.Query) {
	a := q.Requested
	if !a.IsValid() {
		a = q.CIAddr
	}
	if q.Mode != dhcp.ModeProxy || q.Type != dhcp.Request || q.Port != dhcp.ServerPort || !q.Network.Contains(a) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.heard[a]; !known && len(l.heard) >= maxHeard {
		delete(l.heard, l.oldest())
	}
	if l.heard == nil {
		l.heard = map[netip.Addr]hearing{}
	}
	l.heard[a] = hearing{q.MAC, time.Now()}
}

func (l *Locator) oldest() (a netip.Addr) {
	var at time.Time
	for addr, h := range l.heard {
		if !a.IsValid() || h.at.Before(at) {
			a, at = addr, h.at
		}
	}
	return a
}

// Behind tells whether an address is behind a router, and then whose it is, if
// that is known.
func (l *Locator) Behind(a netip.Addr) (mac net.HardwareAddr, routed bool) {
	if onWire(a) {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	mac, _ = l.behindRouter(ctx, a)
	return mac, true
}
