package main

import (
	"context"
	"net/netip"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
)

type leases struct{ *house }

func (h leases) Leases(ctx context.Context) ([]api.Lease, error) {
	machines, err := h.inv.Machines(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	owner := map[string]string{}
	for _, m := range machines {
		for _, mac := range m.MACs {
			owner[mac] = m.Name
		}
	}
	all, err := h.inv.Leases(ctx)
	return each(all, err, func(l inventory.Lease) api.Lease { return apiLease(l, owner[l.MAC]) })
}

func apiLease(l inventory.Lease, machine string) api.Lease {
	out := api.Lease{
		Address: l.Addr.String(), MAC: l.MAC, Machine: machine, Hostname: l.Hostname,
		State: string(l.State), Network: l.Network.String(), Interface: l.Interface, Expires: l.Expires,
	}
	if !time.Now().Before(l.Expires) {
		out.State = api.LeaseExpired
	}
	return out
}

func (h leases) RemoveLease(ctx context.Context, address string, force bool) error {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return api.Errorf(api.Invalid, "%q is no IPv4 address: `bootes lease ls` lists those that were given", address)
	}
	return apiError(h.inv.RemoveLease(ctx, a, force))
}
