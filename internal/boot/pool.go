package boot

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
)

// maxHolders is how many of those that have the addresses of a pool are named.
const maxHolders = 5

// has reports whether an address is one of the pool's.
func (p Pool) has(a netip.Addr) bool {
	return slices.ContainsFunc(p.Pools, func(r inventory.Pool) bool { return !a.Less(r.First) && !r.Last.Less(a) })
}

// pool is what is known of the pool that had no address left for a.
func (s *Service) pool(ctx context.Context, a *attempt) (p diagnose.Pool) {
	var of Pool
	s.attempts.with(a, func() { of = a.pool })
	if of.Addresses == 0 {
		return p
	}
	p.Range, p.Addresses = of.Range, of.Addresses
	p.Machines, _ = s.Inventory.CountMachines(ctx)
	leases, _ := s.Inventory.Leases(ctx)
	for _, l := range leases {
		if l.Network != of.Network || !of.has(l.Addr) || l.State == inventory.Declined || l.State == inventory.Bound && !time.Now().Before(l.Expires) {
			continue
		}
		if p.Held++; len(p.Holders) == maxHolders {
			continue
		}
		name := cmp.Or(l.Hostname, l.MAC)
		if m, err := s.Inventory.MachineByMAC(ctx, l.MAC); err == nil {
			name = m.Name
		}
		p.Holders = append(p.Holders, name)
	}
	return p
}
