package storage

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// CloneVolume makes a volume's snapshot, or the volume as it is now, the disk of
// a machine that has none for its image. Neither changes the other from then on.
func (s *Storage) CloneVolume(ctx context.Context, id, snapshot, machine string) (inventory.Volume, error) {
	m, err := s.ownDisk(ctx, machine)
	if err != nil {
		return inventory.Volume{}, err
	}
	has, err := s.inv.FindVolume(ctx, machine, m.Image, inventory.Persistent, "")
	if err == nil {
		return has, &inventory.ExistsError{Kind: "disk of machine", Name: machine, Remedy: fmt.Sprintf("it is volume %s; remove that first with `bootes volume rm %s`", has.ID, has.ID)}
	}
	if !missing(err) {
		return has, err
	}
	s.names.RLock()
	defer s.names.RUnlock()
	defer s.hold(id)()
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return v, err
	}
	made := inventory.Volume{
		ID: inventory.NewVolumeID(machine), Machine: machine, Ref: m.Image, Mode: inventory.Persistent, Limit: m.Limit,
		BlockSize: v.BlockSize,
	}
	was := v.At(snapshot)
	made.Image, made.Digest, made.Layer, made.Identity = was.Image, was.Digest, was.Layer, was.Identity
	if snapshot != "" {
		snap, err := s.snapshot(v, snapshot)
		if err != nil {
			return v, err
		}
		return s.cloneLayer(ctx, made, snap.Layer)
	}
	err = s.momentary(ctx, v, func(snap cow.SnapshotInfo) error {
		made, err = s.cloneLayer(ctx, made, snap.Layer)
		return err
	})
	return made, err
}

// cloneLayer refuses what clone takes for done: a disk that came meanwhile.
func (s *Storage) cloneLayer(ctx context.Context, v inventory.Volume, layer string) (inventory.Volume, error) {
	got, err := s.clone(ctx, v, layer)
	if err == nil && got.ID != v.ID {
		err = &inventory.VolumeExistsError{Volume: got}
	}
	return got, err
}

// ownDisk is a machine that keeps a disk of its own.
func (s *Storage) ownDisk(ctx context.Context, machine string) (inventory.Machine, error) {
	m, err := s.inv.Machine(ctx, machine)
	if err == nil && m.Mode != inventory.Persistent {
		err = &inventory.ModeError{Kind: "machine", Name: machine, Machine: machine, Why: "it gets a fresh clone of its image at each boot"}
	}
	return m, err
}

func missing(err error) bool {
	var e *inventory.NotFoundError
	return errors.As(err, &e)
}
