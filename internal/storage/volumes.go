package storage

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// CreateVolume is the volume of machine for this boot: its persistent volume
// of the image, or the ephemeral one of the boot, cloned now if it is not
// there yet. Asking twice, also at once, gives the same volume.
func (s *Storage) CreateVolume(ctx context.Context, machine, image string, mode inventory.Mode, boot string) (inventory.Volume, error) {
	if mode == inventory.Persistent {
		boot = ""
	}
	v, err := s.inv.FindVolume(ctx, machine, image, mode, boot)
	var missing *inventory.NotFoundError
	if !errors.As(err, &missing) {
		return v, err
	}
	m, err := s.inv.Machine(ctx, machine)
	if err != nil {
		return v, err
	}
	img, err := s.inv.Image(ctx, image)
	if err != nil {
		return v, err
	}
	return s.clone(ctx, img, inventory.Volume{
		ID: inventory.NewVolumeID(machine), Machine: machine, Image: image, Digest: img.Digest, Layer: img.Layer,
		Mode: mode, Limit: m.Limit, Boot: boot,
	})
}

// clone makes the volume on disk and on record. From the note on, the end of
// ctx is ignored: it takes milliseconds, and a commit cut short may happen
// all the same.
func (s *Storage) clone(ctx context.Context, img inventory.Image, v inventory.Volume) (inventory.Volume, error) {
	ctx = context.WithoutCancel(ctx)
	if err := s.inv.PrepareVolume(ctx, v.ID); err != nil {
		return v, err
	}
	note := inventory.Removal{Kind: inventory.RemoveVolume, ID: v.ID}
	spec := cow.VolumeSpec{ID: v.ID, Base: img.Layer, Volatile: v.Mode == inventory.Ephemeral, Limit: v.Limit}
	if _, err := s.eng.CreateVolume(spec); err != nil {
		err = fmt.Errorf("clone image %q for machine %q: %w", v.Image, v.Machine, err)
		return v, errors.Join(err, s.finish(ctx, note))
	}
	added, err := s.inv.AddVolume(ctx, v)
	if inventory.Refused(err) { // otherwise the note decides, at the next start
		err = errors.Join(err, s.finish(ctx, note))
	}
	var exists *inventory.VolumeExistsError
	if errors.As(err, &exists) {
		return exists.Volume, nil
	}
	return added, err
}

// OpenVolume opens a volume's disk for the one who serves it.
func (s *Storage) OpenVolume(ctx context.Context, id string) (*cow.Volume, error) {
	if _, err := s.inv.Volume(ctx, id); err != nil {
		return nil, err
	}
	v, err := s.eng.OpenVolume(id)
	if err != nil {
		return nil, fmt.Errorf("open volume %q: %w", id, err)
	}
	return v, nil
}

// RemoveVolume removes a volume that no machine runs from; *inventory.InUseError
// otherwise. Its space is freed in the background.
func (s *Storage) RemoveVolume(ctx context.Context, id string) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	if info, err := s.eng.Volume(id); err == nil && info.Open {
		return &inventory.InUseError{Kind: "volume", Name: id, By: []string{"machine " + v.Machine + ", which runs from it"}, Remedy: "shut that machine down first"}
	}
	if _, err := s.inv.DropVolume(ctx, id); err != nil {
		return err
	}
	return s.finish(ctx, inventory.Removal{Kind: inventory.RemoveVolume, ID: id})
}

// RemoveMachine removes a machine and the ephemeral volumes of its last boots.
// A persistent volume, or one that it runs from, refuses.
func (s *Storage) RemoveMachine(ctx context.Context, name string) error {
	all, err := s.inv.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range all {
		if v.Machine == name && v.Mode == inventory.Persistent {
			return s.inv.RemoveMachine(ctx, name) // which refuses, and says why
		}
	}
	for _, v := range all {
		if v.Machine == name {
			if err := s.RemoveVolume(ctx, v.ID); err != nil {
				return err
			}
		}
	}
	return s.inv.RemoveMachine(ctx, name)
}

// Discard removes the volumes that a change of boots left without a use. All
// are tried; the errors are joined.
func (s *Storage) Discard(ctx context.Context, gone inventory.Superseded) error {
	var errs []error
	for _, v := range gone.Volumes {
		err := s.RemoveVolume(ctx, v.ID)
		var missing *inventory.NotFoundError
		if !errors.As(err, &missing) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// SetLimit sets how many bytes of its own a volume may hold, 0 for no limit,
// also while a machine runs from it.
func (s *Storage) SetLimit(ctx context.Context, id string, limit int64) (inventory.Volume, error) {
	v, err := s.inv.SetVolumeLimit(ctx, id, limit)
	if err != nil {
		return v, err
	}
	if err := s.eng.SetLimit(id, limit); err != nil {
		return v, fmt.Errorf("set limit of volume %q: %w", id, err)
	}
	return v, nil
}
