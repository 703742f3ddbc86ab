package storage

import (
	"context"
	"maps"
	"slices"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// noteBelow has the record of a volume name the image that its disk stands on,
// or none: then nothing keeps the image for it any more. The caller holds the
// volume.
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
	_, err = s.follow(ctx, v, info, images, s.lineage())
	return err
}

// follow changes the record v if its disk stands on something else than it says.
// What a reset goes back to stays, and so does what the snapshots stand on.
func (s *Storage) follow(ctx context.Context, v inventory.Volume, info cow.VolumeInfo, images []inventory.Image, l lineage) (changed bool, err error) {
	below := l.image(info.Base, images, v.Image)
	switch {
	case below.Layer != "" && (v.Layer == "" || !l.on(info.Base, v.Layer)):
		_, err = s.inv.SetVolume(ctx, v.ID, func(v *inventory.Volume) { standOn(v, below) })
		return true, err
	case below.Layer == "" && v.Image != "" && s.alone(info):
		i := slices.IndexFunc(images, func(i inventory.Image) bool { return i.Ref() == v.Image })
		identity := i >= 0 && images[i].Identity
		_, err = s.inv.SetVolume(ctx, v.ID, func(v *inventory.Volume) { standAlone(v, info.Snapshots, identity) })
		return true, err
	}
	return false, nil
}

// alone says whether no layer that is kept for an image is below a volume.
func (s *Storage) alone(info cow.VolumeInfo) bool {
	if info.Base == "" {
		return true
	}
	chain, err := s.eng.History(info.Base)
	return err == nil && !slices.ContainsFunc(chain, func(l cow.LayerInfo) bool { return l.Kept })
}

// standAlone notes in a record that its disk stands on no image any more. Its
// snapshots do, also those that the record says nothing of.
func standAlone(v *inventory.Volume, snapshots []cow.SnapshotInfo, identity bool) {
	notes := maps.Clone(v.Snapshots)
	if notes == nil {
		notes = map[string]inventory.Snapshot{}
	}
	v.Identity = v.Identity || identity
	for _, snap := range snapshots {
		if _, ok := notes[snap.Name]; !ok {
			notes[snap.Name] = inventory.Snapshot{Image: v.Image, Digest: v.Digest, Layer: v.Layer, Identity: v.Identity}
		}
	}
	v.Snapshots = notes
	v.Image, v.Digest, v.Layer = "", "", ""
}
