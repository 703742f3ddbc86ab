package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Snapshot is a named earlier state of a volume.
type Snapshot struct {
	cow.SnapshotInfo
	Volume string
	Image  string // that it stands on
	Clean  bool   // no machine had the disk open; otherwise it is as after a power cut
}

// Snapshot names the state that a volume has now, also while a machine runs from
// it.
func (s *Storage) Snapshot(ctx context.Context, id, name string) (Snapshot, error) {
	if err := inventory.CheckSnapshotName(name); err != nil {
		return Snapshot{}, err
	}
	if _, err := s.inv.Volume(ctx, id); err != nil {
		return Snapshot{}, err
	}
	defer s.hold(id)()
	clean := !s.open(id)
	info, err := s.eng.Snapshot(id, name)
	if errors.Is(err, cow.ErrExist) {
		return Snapshot{}, &inventory.ExistsError{Kind: "snapshot", Name: id + "@" + name, Remedy: "choose another name, or remove it first with `bootes volume rm " + id + "@" + name + "`"}
	}
	if err != nil {
		return Snapshot{}, err
	}
	// Without this record, after a crash, it counts as one of a running machine.
	v, err := s.inv.SetVolume(context.WithoutCancel(ctx), id, func(v *inventory.Volume) {
		if v.Snapshots == nil {
			v.Snapshots = map[string]inventory.Snapshot{}
		}
		v.Snapshots[name] = inventory.Snapshot{Image: v.Image, Digest: v.Digest, Layer: v.Layer, Identity: v.Identity, Clean: clean}
	})
	return snapshotOf(v, info), err
}

func snapshotOf(v inventory.Volume, info cow.SnapshotInfo) Snapshot {
	note, ok := v.Snapshots[info.Name]
	if !ok {
		note.Image = v.Image
	}
	return Snapshot{SnapshotInfo: info, Volume: v.ID, Image: note.Image, Clean: note.Clean}
}

// snapshot is one of v's by name.
func (s *Storage) snapshot(v inventory.Volume, name string) (Snapshot, error) {
	info, err := s.eng.Volume(v.ID)
	if err != nil {
		return Snapshot{}, err
	}
	known := []string{}
	for _, i := range info.Snapshots {
		if i.Name == name {
			return snapshotOf(v, i), nil
		}
		known = append(known, i.Name)
	}
	return Snapshot{}, &inventory.NotFoundError{Kind: "snapshot", Name: v.ID + "@" + name, Known: known}
}

// RemoveSnapshot removes a snapshot. The volume stays as it is.
func (s *Storage) RemoveSnapshot(ctx context.Context, id, name string) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	defer s.hold(id)()
	if _, err := s.snapshot(v, name); err != nil {
		return err
	}
	if err := s.inv.DropSnapshot(ctx, id, name); err != nil {
		return err
	}
	return s.finish(ctx, inventory.Removal{Kind: inventory.RemoveSnapshot, ID: id + "@" + name})
}

// finishSnapshot removes from disk what the ID of a note says.
func (s *Storage) finishSnapshot(id string) error {
	volume, name, ok := strings.Cut(id, "@")
	if !ok {
		return fmt.Errorf("%q is no snapshot", id)
	}
	return s.eng.RemoveSnapshot(volume, name)
}
