package inventory

import (
	"context"
	"net/netip"

	"bootes.dev/internal/store"
)

// RemoveLease forgets who had an address, or that it was found in use. With
// force it forgets a lease that lasts, too: while its client uses the address
// another may then be given it.
func (in *Inventory) RemoveLease(ctx context.Context, addr netip.Addr, force bool) error {
	d, err := in.open(ctx)
	if err != nil {
		return err
	}
	l, ok := d.leases[addr]
	switch {
	case !ok:
		err = &NotFoundError{Kind: "lease of", Name: addr.String()}
	case l.State == Bound && !l.expired(in.now()) && !force:
		err = &InUseError{
			Kind: "lease of", Name: addr.String(), By: []string{l.MAC},
			Remedy: "if that client is off for certain, use --force; else wait for its end, " + l.Expires.Local().Format("2006-01-02 15:04"),
		}
	}
	if err != nil {
		d.mu.Unlock()
		return err
	}
	d.erase(addr)
	written := in.leases.Append(store.Change[Lease]{Key: addrKey(addr)})
	d.mu.Unlock()
	return written.Wait()
}
