package storage

import (
	"context"
	"fmt"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Rollback takes a volume back to a snapshot; what was written since the last
// snapshot is thrown away, all snapshots stay. The volume must not be in use.
func (s *Storage) Rollback(ctx context.Context, id, name string) error {
	return s.replace(ctx, id, func(ctx context.Context, v inventory.Volume) error {
		snap, err := s.snapshot(v, name)
		if err != nil {
			return err
		}
		images, err := s.inv.Images(ctx)
		if err != nil {
			return err
		}
		below := s.lineage().image(snap.Layer, images, v.Image)
		becomes := func(v *inventory.Volume) {
			if _, ok := v.Snapshots[snap.Name]; ok {
				*v = v.At(snap.Name)
			} else if below.Layer != "" {
				standOn(v, below)
			}
		}
		return s.rebase(ctx, id, snap.Layer, becomes, func() error { return s.eng.Rollback(id, name) })
	})
}

// Reset makes a volume a clone of what its Ref means now; what was written since
// the last snapshot is thrown away, all snapshots stay. The volume must not be
// in use.
func (s *Storage) Reset(ctx context.Context, id string) error {
	s.names.RLock()
	defer s.names.RUnlock()
	return s.replace(ctx, id, func(ctx context.Context, v inventory.Volume) error {
		if v.Mode == inventory.Data {
			return &inventory.DataError{Volume: id, Why: fmt.Sprintf("it was blank at first and has no image to go back to; `bootes volume rollback %s SNAPSHOT` goes back to a snapshot", id)}
		}
		img, err := s.inv.Resolve(ctx, v.Ref)
		if err == nil {
			err = img.Bootable()
		}
		if missing(err) {
			return fmt.Errorf("what volume %q goes back to is gone: give %s another image, and with it a fresh disk, with `bootes machine set %s --image IMAGE`: %w", id, v.Machine, v.Machine, err)
		}
		if err != nil {
			return err
		}
		becomes := func(v *inventory.Volume) {
			standOn(v, img)
			v.BlockSize = img.BlockSize
		}
		return s.rebase(ctx, id, img.Layer, becomes, func() error {
			if err := s.eng.SetBase(id, img.Layer); err != nil {
				return fmt.Errorf("reset to image %q: %w", img.Ref(), err)
			}
			return nil
		})
	})
}

// standOn notes in a record what its disk has been made of.
func standOn(v *inventory.Volume, img inventory.Image) {
	v.Image, v.Digest, v.Layer, v.Identity = img.Ref(), img.Digest, img.Layer, img.Identity
}

// rebase has do put the disk of a volume on the layer base, and its record say
// what becomes makes of it. A note of that comes first, by which Reconcile
// settles what a crash cut off, or an error that leaves open what was done.
func (s *Storage) rebase(ctx context.Context, id, base string, becomes func(*inventory.Volume), do func() error) error {
	if err := s.inv.BeginReplacement(ctx, id, base, becomes); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err := s.inv.EndReplacement(ctx, id, true)
	return err
}

// replace runs do, which replaces the content of a volume that nobody uses, with
// the volume held. A system that knew the old content must not find the new: do
// takes the volume from its boots first.
func (s *Storage) replace(ctx context.Context, id string, do func(context.Context, inventory.Volume) error) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	s.endDead(ctx, v)
	defer s.hold(id)()
	if err := s.unused(ctx, v, "", false); err != nil {
		return err
	}
	return do(context.WithoutCancel(ctx), v)
}

// Resize changes the size of a volume to size bytes, a multiple of 4096. It may
// grow while a machine runs from it; what lies beyond the end of one that
// shrinks is lost, and it must not be in use.
func (s *Storage) Resize(ctx context.Context, id string, size int64) error {
	info, err := s.volumeInfo(ctx, id)
	if err != nil {
		return err
	}
	if err := checkSize(size); err != nil {
		return err
	}
	if size >= info.Size {
		return s.grow(ctx, id, size)
	}
	return s.replace(ctx, id, func(ctx context.Context, _ inventory.Volume) error {
		if _, err := s.inv.DetachVolume(ctx, id); err != nil {
			return err
		}
		return s.eng.Resize(id, size)
	})
}

// grow never shrinks: the volume may have grown since its size was looked at.
func (s *Storage) grow(ctx context.Context, id string, size int64) error {
	defer s.hold(id)()
	info, err := s.volumeInfo(ctx, id)
	if err == nil && size < info.Size {
		err = &inventory.InUseError{Kind: "volume", Name: id, By: []string{"another command, which has made it larger meanwhile"}, Remedy: "look at its size, and try again"}
	}
	if err != nil {
		return err
	}
	return s.eng.Resize(id, size)
}

// blockSize is the engine's grain.
const blockSize = cow.BlockSize

func checkSize(size int64) error {
	want := ""
	switch {
	case size <= 0 || size%blockSize != 0:
		want = fmt.Sprintf("it is a multiple of %d bytes", blockSize)
	case size > cow.MaxSize:
		want = fmt.Sprintf("it is %s at most", bytesize.Format(cow.MaxSize))
	default:
		return nil
	}
	return &inventory.InvalidError{What: "size", Value: fmt.Sprint(size), Want: want}
}

// SetWriteThrough sets whether each write to a volume is on the disk before its
// machine is told so. A machine on such a volume lives through a power cut of
// this server. *inventory.InUseError when a machine with static credentials has
// it, which could not be told of one.
func (s *Storage) SetWriteThrough(ctx context.Context, id string, on bool) error {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return err
	}
	if on && v.Mode == inventory.Ephemeral {
		return &inventory.ModeError{Kind: "volume", Name: id, Machine: v.Machine, Why: "it never outlives a power cut"}
	}
	if !on {
		if err := s.untold(ctx, v); err != nil {
			return err
		}
	}
	return s.eng.SetWriteThrough(id, on)
}

// untold refuses a volume of a machine that has static credentials: no power cut
// ends those, and its system would go on with what it believes to have written.
func (s *Storage) untold(ctx context.Context, v inventory.Volume) error {
	at := []inventory.Seat{{Machine: v.Machine}}
	if v.Mode == inventory.Data {
		var err error
		if at, err = s.inv.AttachedTo(ctx, v.ID); err != nil {
			return err
		}
	}
	for _, seat := range at {
		_, err := s.inv.Static(ctx, seat.Machine)
		if err == nil {
			return &inventory.InUseError{
				Kind: "volume", Name: v.ID,
				By:     []string{fmt.Sprintf("machine %s, which may log in by static credentials and would not be told that writes are lost", seat.Machine)},
				Remedy: fmt.Sprintf("end those first with `bootes machine credentials %s --revoke`", seat.Machine),
			}
		}
		if !missing(err) {
			return err
		}
	}
	return nil
}

// volumeInfo is what the engine knows of a volume that is on record.
func (s *Storage) volumeInfo(ctx context.Context, id string) (cow.VolumeInfo, error) {
	if _, err := s.inv.Volume(ctx, id); err != nil {
		return cow.VolumeInfo{}, err
	}
	return s.eng.Volume(id)
}
