package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// noteBelow has the record of a volume name the image that its disk stands on,
// or none: then nothing keeps the image for it any more. The caller holds the
// volume, whose content is what it was.
func (s *Storage) noteBelow(ctx context.Context, id string) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	info, err := s.eng.Volume(id)
	if err != nil {
		return err
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return err
	}
	if _, err = s.follow(ctx, v, info, images, s.lineage(), true); err != nil {
		return fmt.Errorf("note what volume %q stands on: %w", id, err)
	}
	return nil
}

// follow changes the record v if its disk, or a snapshot of it, stands on
// something else than it says, and reports whether the disk does. What a reset
// goes back to stays; and so does, if the content is the same as before, where
// its system takes its identity from.
func (s *Storage) follow(ctx context.Context, v inventory.Volume, info cow.VolumeInfo, images []inventory.Image, l lineage, same bool) (changed bool, err error) {
	below, changed := s.newBelow(info.Base, v, images, l)
	moved := map[string]inventory.Image{}
	for _, snap := range info.Snapshots {
		if _, ok := v.Snapshots[snap.Name]; ok {
			if i, changed := s.newBelow(snap.Layer, v.At(snap.Name), images, l); changed {
				moved[snap.Name] = i
			}
		}
	}
	if !changed && len(moved) == 0 {
		return false, nil
	}
	i := slices.IndexFunc(images, func(i inventory.Image) bool { return i.Ref() == v.Image })
	identity := v.Identity || i >= 0 && images[i].Identity // old records do not say so themselves
	_, err = s.inv.SetVolume(ctx, v.ID, func(v *inventory.Volume) {
		for name, i := range moved {
			note := v.Snapshots[name]
			note.Image, note.Digest, note.Layer = refOf(i), i.Digest, i.Layer
			v.Snapshots[name] = note
		}
		switch {
		case changed && below.Layer != "":
			standOn(v, below)
		case changed:
			standAlone(v, info.Snapshots)
		}
		if changed && (same || below.Layer == "") {
			v.Identity = identity
		}
	})
	return changed, err
}

// newBelow is the image that a state of v stands on, the zero one for none, if
// that is not the one that v names.
func (s *Storage) newBelow(layer string, v inventory.Volume, images []inventory.Image, l lineage) (below inventory.Image, changed bool) {
	below = l.image(layer, images, v.Image)
	if below.Layer != "" {
		return below, v.Layer == "" || !l.on(layer, v.Layer)
	}
	return below, v.Image != "" && s.alone(layer)
}

// alone says whether no layer that is kept for an image is below a state.
func (s *Storage) alone(layer string) bool {
	if layer == "" {
		return true
	}
	chain, err := s.eng.History(layer)
	return err == nil && !slices.ContainsFunc(chain, func(l cow.LayerInfo) bool { return l.Kept })
}

// refOf is the name of an image; "" of the zero one.
func refOf(i inventory.Image) string {
	if i.Layer == "" {
		return ""
	}
	return i.Ref()
}

// standAlone notes in a record that its disk stands on no image any more. Its
// snapshots do, also those that the record says nothing of.
func standAlone(v *inventory.Volume, snapshots []cow.SnapshotInfo) {
	notes := maps.Clone(v.Snapshots)
	if notes == nil {
		notes = map[string]inventory.Snapshot{}
	}
	for _, snap := range snapshots {
		if _, ok := notes[snap.Name]; !ok {
			notes[snap.Name] = inventory.Snapshot{Image: v.Image, Digest: v.Digest, Layer: v.Layer, Identity: v.Identity}
		}
	}
	v.Snapshots = notes
	v.Image, v.Digest, v.Layer = "", "", ""
}
