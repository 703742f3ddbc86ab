package inventory

import (
	"context"

	"bootes.dev/internal/store"
)

// Kinds of Removal.
const (
	RemoveLayer    = "layer"
	RemoveVolume   = "volume"
	RemoveSnapshot = "snapshot" // its ID is VOLUME@NAME
)

// Removal is a note that what is on disk under an ID is to be removed, now or,
// after a crash, at the next start. It is written in the transaction that
// removes the record and cleared when the disk is done; and it is written
// before a volume is made and cleared in the transaction that adds the record,
// and before a snapshot is made that is not to stay. So a crash loses no space, and nothing is ever removed from disk only
// because its record is missing.
type Removal struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

func (r Removal) key() string { return r.Kind + "/" + r.ID }

func (in *Inventory) noteRemoval(tx *store.Tx, r Removal) error {
	return in.removals.In(tx).Put(r.key(), r)
}

// PrepareVolume notes that a volume is about to be made on disk: AddVolume
// clears the note.
func (in *Inventory) PrepareVolume(ctx context.Context, id string) error {
	return in.NoteRemoval(ctx, Removal{Kind: RemoveVolume, ID: id})
}

// NoteRemoval notes that something on disk is to go, whatever happens.
func (in *Inventory) NoteRemoval(ctx context.Context, r Removal) error {
	return in.s.Update(ctx, func(tx *store.Tx) error { return in.noteRemoval(tx, r) })
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
