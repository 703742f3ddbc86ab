package inventory

import (
	"context"

	"bootes.dev/internal/store"
)

// BeginReplacement takes a volume from the boots that have it, as DetachVolume
// does, and notes what change makes of its record: that comes true by
// EndReplacement, once the disk stands on the layer base.
func (in *Inventory) BeginReplacement(ctx context.Context, id, base string, change func(*Volume)) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		v, err := lookup(in.volumes.In(tx), "volume", id, true)
		if err != nil {
			return err
		}
		will := v
		change(&will)
		v.Next = &Replacement{base, will.Image, will.Digest, will.Layer, will.Identity, will.BlockSize}
		if err := in.detach(tx, v, func(*book) {}); err != nil {
			return err
		}
		return in.volumes.In(tx).Put(id, v)
	})
}

// EndReplacement takes the note away, and has the record say what it says if the
// disk was replaced.
func (in *Inventory) EndReplacement(ctx context.Context, id string, replaced bool) (Volume, error) {
	return in.SetVolume(ctx, id, func(v *Volume) {
		n := v.Next
		if v.Next = nil; n == nil || !replaced {
			return
		}
		v.Image, v.Digest, v.Layer = n.Image, n.Digest, n.Layer
		v.Identity, v.BlockSize = n.Identity, n.BlockSize
	})
}
