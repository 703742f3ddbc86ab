package storage

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// CreateVolume is the volume of machine for this boot: its persistent volume
// for ref, or the ephemeral one of the boot, cloned from what ref means now if
// it is not there yet. Asking twice, also at once, gives the same volume.
func (s *Storage) CreateVolume(ctx context.Context, machine, ref string, mode inventory.Mode, boot string) (inventory.Volume, error) {
	if mode == inventory.Persistent {
		boot = ""
	}
	v, err := s.inv.FindVolume(ctx, machine, ref, mode, boot)
	var missing *inventory.NotFoundError
	if !errors.As(err, &missing) {
		return v, err
	}
	return s.cloneImage(ctx, inventory.Volume{Machine: machine, Ref: ref, Mode: mode, Boot: boot})
}

// cloneImage makes v of what its Ref means now.
func (s *Storage) cloneImage(ctx context.Context, v inventory.Volume) (inventory.Volume, error) {
	m, err := s.inv.Machine(ctx, v.Machine)
	if err != nil {
		return v, err
	}
	s.names.RLock()
	defer s.names.RUnlock()
	img, err := s.inv.Resolve(ctx, v.Ref)
	if err == nil {
		err = img.Bootable()
	}
	if err != nil {
		return v, err
	}
	v.ID, v.Limit = inventory.NewVolumeID(m.Name), m.Limit
	standOn(&v, img)
	v.BlockSize = img.BlockSize
	return s.clone(ctx, v, img.Layer)
}

// clone makes the volume, of a layer, on disk and on record. From the note on, the end of
// ctx is ignored: it takes milliseconds, and a commit cut short may happen
// all the same.
func (s *Storage) clone(ctx context.Context, v inventory.Volume, base string) (inventory.Volume, error) {
	ctx = context.WithoutCancel(ctx)
	if err := s.inv.PrepareVolume(ctx, v.ID); err != nil {
		return v, err
	}
	note := inventory.Removal{Kind: inventory.RemoveVolume, ID: v.ID}
	spec := cow.VolumeSpec{ID: v.ID, Base: base, Volatile: v.Mode == inventory.Ephemeral, Limit: v.Limit}
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

// OpenFor opens the disk of a boot for the one who serves it. It asks once more
// whether the boot still has it: it may have been replaced since the boot was
// let in.
func (s *Storage) OpenFor(ctx context.Context, b inventory.Boot) (*Opened, error) {
	defer s.hold(b.Volume)()
	now, err := s.inv.Boot(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	if now.Volume != b.Volume {
		return nil, fmt.Errorf("volume %q was removed, reset or rolled back meanwhile: the machine must boot again", b.Volume)
	}
	return s.openVolume(ctx, b.Volume)
}

// OpenVolume opens a volume's disk for whoever asks.
func (s *Storage) OpenVolume(ctx context.Context, id string) (*Opened, error) {
	defer s.hold(id)()
	return s.openVolume(ctx, id)
}

func (s *Storage) openVolume(ctx context.Context, id string) (*Opened, error) {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := s.eng.OpenVolume(id)
	if err != nil {
		return nil, err
	}
	info, err := s.eng.Volume(id)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	o := &Opened{Volume: d, WriteThrough: info.WriteThrough, record: v, of: &s.opened}
	s.opened.add(o)
	return o, nil
}

// RemoveVolume removes a volume and its snapshots; an update mode that runs
// from it ends. *inventory.InUseError when a machine runs from it, or may come
// back to it, unless force: then its sessions are ended first. A data volume is
// detached first, force or not. The space is freed in the background.
func (s *Storage) RemoveVolume(ctx context.Context, id string, force bool) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	if force && v.Mode != inventory.Data && s.open(id) {
		release, err := s.o.Sessions.Vacate(ctx, v.Machine, "its volume is being removed")
		if err != nil {
			return fmt.Errorf("take volume %q from machine %q: %w", id, v.Machine, err)
		}
		defer release()
	}
	s.endDead(ctx, v)
	defer s.hold(id)()
	if err := s.unused(ctx, v, "cut it off with `bootes volume rm "+id+" --force`", force); err != nil {
		return err
	}
	return s.removeVolume(ctx, id)
}

func (s *Storage) removeVolume(ctx context.Context, id string) error {
	if _, err := s.inv.DropVolume(ctx, id); err != nil {
		return err
	}
	return s.finish(ctx, inventory.Removal{Kind: inventory.RemoveVolume, ID: id})
}

// RemoveMachine removes a machine and the ephemeral volumes of its last boots.
// Any other volume, or one that it runs from, refuses.
func (s *Storage) RemoveMachine(ctx context.Context, name string) error {
	all, err := s.inv.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range all {
		if v.Machine == name && v.Mode != inventory.Ephemeral {
			return s.inv.RemoveMachine(ctx, name) // which refuses, and says why
		}
	}
	for _, v := range all {
		if v.Machine == name {
			if err := s.RemoveVolume(ctx, v.ID, false); err != nil {
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
		err := s.RemoveVolume(ctx, v.ID, false)
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
