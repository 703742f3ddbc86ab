package inventory

import (
	"context"
	"errors"
	"slices"

	"bootes.dev/internal/store"
)

// identities are the keys under which a machine is found other than by its
// network cards.
func (m Machine) identities() (keys []string) {
	if u := m.SystemUUID(); u != "" {
		keys = append(keys, "uuid/"+uuidKey(u))
	}
	if s := m.SystemSerial(); s != "" {
		keys = append(keys, "serial/"+s)
	}
	return keys
}

// claimIdentities moves the index from old to m. Several machines may claim one
// identity: it tells none of them from the others then.
func (in *Inventory) claimIdentities(tx *store.Tx, old, m Machine) error {
	before, after := old.identities(), m.identities()
	for _, key := range before {
		if !slices.Contains(after, key) {
			if err := in.changeClaim(tx, key, old.Name, false); err != nil {
				return err
			}
		}
	}
	for _, key := range after {
		if !slices.Contains(before, key) {
			if err := in.changeClaim(tx, key, m.Name, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *Inventory) changeClaim(tx *store.Tx, key, name string, add bool) error {
	view := in.claims.In(tx)
	names, err := absentIsZero(view.Get(key))
	if err != nil {
		return err
	}
	had := slices.Contains(names, name)
	switch {
	case add && !had:
		return view.Put(key, append(names, name))
	case !add && had && len(names) == 1:
		view.Delete(key)
	case !add && had:
		return view.Put(key, slices.DeleteFunc(names, func(n string) bool { return n == name }))
	}
	return nil
}

// MachinesByUUID are the names of the machines that have a UUID, by a person's
// word or by what was learnt. If there are several, it tells them not apart.
func (in *Inventory) MachinesByUUID(ctx context.Context, uuid string) ([]string, error) {
	return in.claimants(ctx, "uuid/"+uuidKey(uuid))
}

// MachinesBySerial is MachinesByUUID for a serial number.
func (in *Inventory) MachinesBySerial(ctx context.Context, serial string) ([]string, error) {
	return in.claimants(ctx, "serial/"+serial)
}

func (in *Inventory) claimants(ctx context.Context, key string) ([]string, error) {
	r, err := in.claims.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return r.Value, err
}

// IndexIdentities brings machines from before identities were indexed into the
// index.
func (in *Inventory) IndexIdentities(ctx context.Context) error {
	machines, err := in.Machines(ctx)
	if err != nil {
		return err
	}
	for _, m := range machines {
		for _, key := range m.identities() {
			names, err := in.claimants(ctx, key)
			if err != nil {
				return err
			}
			if slices.Contains(names, m.Name) {
				continue
			}
			if err := in.s.Update(ctx, func(tx *store.Tx) error { return in.changeClaim(tx, key, m.Name, true) }); err != nil {
				return err
			}
		}
	}
	return nil
}
