package inventory

import (
	"context"

	"bootes.dev/internal/store"
)

// Kinds of Removal.
const (
	RemoveLayer  = "layer"
	RemoveVolume = "volume"
)

// Removal is a note that a record was removed and the disk space behind it is
// still to be. It is written in the transaction that removes the record and
// cleared when the disk is done, so a crash in between loses no space, and
// nothing is ever removed from disk only because its record is missing.
type Removal struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

func (r Removal) key() string { return r.Kind + "/" + r.ID }

func (in *Inventory) noteRemoval(tx *store.Tx, r Removal) error {
	return in.removals.In(tx).Put(r.key(), r)
}

// Removals are the notes not yet cleared.
func (in *Inventory) Removals(ctx context.Context) ([]Removal, error) {
	return values(in.removals.List(ctx))
}

// ClearRemoval says that the disk space is gone.
func (in *Inventory) ClearRemoval(ctx context.Context, r Removal) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		in.removals.In(tx).Delete(r.key())
		return nil
	})
}
