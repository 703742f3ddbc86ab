// Package storage joins the disks of the storage engine (package cow) with
// their records (package inventory).
//
// The two cannot be changed in one transaction, so the order matters. When
// removing: the record first, together with a note of what is to be removed,
// then the disk, then the note; a crash in between leaves a note, and
// Reconcile finishes the work. When making a volume: such a note first, then
// the disk, then the record instead of the note. When making an image: its
// layer first, then the record; a crash between these two leaves a layer that
// Reconcile reports. Disk space is never freed only because a record is
// missing: a store restored from an old backup must not cost anyone a disk.
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Options are what a Storage works on.
type Options struct {
	Engine    *cow.Engine
	Inventory *inventory.Inventory
	Dir       string // the engine's folder, for free space and for messages
	MinFree   int64  // bytes of the file system that imports leave free
	Log       *slog.Logger
}

// Storage is safe for use by any number of goroutines.
type Storage struct {
	eng *cow.Engine
	inv *inventory.Inventory
	o   Options
	log *slog.Logger
}

// New joins the engine and the inventory of o, which the caller closes.
func New(o Options) *Storage {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Storage{eng: o.Engine, inv: o.Inventory, o: o, log: o.Log}
}

// RemoveImage removes an image that nothing uses. The error names its users.
func (s *Storage) RemoveImage(ctx context.Context, ref string) error {
	img, err := s.inv.RemoveImage(ctx, ref, inventory.Users{})
	if err != nil {
		return err
	}
	return s.finishImage(ctx, img)
}

// finishImage removes the layer, unless another image is the same one.
func (s *Storage) finishImage(ctx context.Context, img inventory.Image) error {
	removals, err := s.inv.Removals(ctx)
	if err != nil {
		return err
	}
	for _, r := range removals {
		if r.Kind == inventory.RemoveLayer && r.ID == img.Layer {
			return s.finish(ctx, r)
		}
	}
	return nil
}

// finish removes from disk what a note says, and the note.
func (s *Storage) finish(ctx context.Context, r inventory.Removal) error {
	var err error
	switch r.Kind {
	case inventory.RemoveLayer:
		err = s.eng.RemoveLayer(r.ID)
	case inventory.RemoveVolume:
		err = s.eng.RemoveVolume(r.ID)
	default:
		err = fmt.Errorf("unknown kind %q", r.Kind)
	}
	if err != nil && !errors.Is(err, cow.ErrNotExist) {
		return fmt.Errorf("free the space of %s %q (tried again at the next start): %w", r.Kind, r.ID, err)
	}
	return s.inv.ClearRemoval(ctx, r)
}
