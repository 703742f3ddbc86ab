package inventory

import (
	"context"
	"errors"
	"net/netip"

	"bootes.dev/internal/store"
)

// RemoveLease forgets who had an address, or that it was found in use. With
// force it forgets a lease that lasts, too: while its client uses the address
// another may then be given it.
func (in *Inventory) RemoveLease(ctx context.Context, addr netip.Addr, force bool) error {
	if !addr.Is4() {
		return &NotFoundError{Kind: "lease of", Name: addr.String()}
	}
	if _, err := in.Leases(ctx); err != nil { // the desk is to be open before it follows
		return err
	}
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		l, err := in.leases.In(tx).Get(addrKey(addr))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return &NotFoundError{Kind: "lease of", Name: addr.String()}
		case err != nil:
			return err
		case l.State == Bound && !l.expired(in.now()) && !force:
			return &InUseError{
				Kind: "lease of", Name: addr.String(), By: []string{l.MAC},
				Remedy: "if that client is off for certain, use --force; else wait for its end, " + l.Expires.Local().Format("2006-01-02 15:04"),
			}
		}
		in.leases.In(tx).Delete(addrKey(addr))
		return nil
	})
	return in.settle(ctx, err, addr)
}
