package storage

import (
	"context"
	"errors"

	"bootes.dev/internal/inventory"
)

// BeginUpdate puts a machine into update mode: from its next boot on it runs
// from the volume returned, a writable clone of what ref means now, until
// Publish makes an image of it or CancelUpdate gives it up. Its own disk waits.
func (s *Storage) BeginUpdate(ctx context.Context, machine, ref string) (inventory.Volume, error) {
	m, err := s.inv.Machine(ctx, machine)
	if err != nil {
		return inventory.Volume{}, err
	}
	if m.Update != nil {
		return inventory.Volume{}, &inventory.UpdateError{Machine: machine, Update: m.Update}
	}
	img, err := s.inv.Resolve(ctx, ref)
	if err == nil {
		err = s.MayGiveDisk(ctx, machine)
	}
	if err != nil {
		return inventory.Volume{}, err
	}
	return s.cloneImage(ctx, inventory.Volume{Machine: machine, Ref: img.Ref(), Mode: inventory.Updating})
}

// CancelUpdate ends a machine's update mode and removes its volume. A machine
// that runs from it refuses.
func (s *Storage) CancelUpdate(ctx context.Context, machine string) error {
	m, err := s.inv.Machine(ctx, machine)
	if err != nil {
		return err
	}
	if m.Update == nil {
		return &inventory.UpdateError{Machine: machine}
	}
	err = s.RemoveVolume(ctx, m.Update.Volume, false)
	var missing *inventory.NotFoundError
	if errors.As(err, &missing) { // the store is of an older backup
		return s.inv.CancelUpdate(ctx, machine)
	}
	return err
}
