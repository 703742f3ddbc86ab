package inventory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"bootes.dev/internal/store"
)

// VolumeExistsError says that the machine, or the boot, has its volume
// already; the caller uses that one.
type VolumeExistsError struct{ Volume Volume }

func (e *VolumeExistsError) Error() string {
	return fmt.Sprintf("machine %q has its volume %q already", e.Volume.Machine, e.Volume.ID)
}

// NewVolumeID is a fresh name for a volume of that machine.
func NewVolumeID(machine string) string {
	var b [4]byte
	rand.Read(b[:])
	return machine + "-" + hex.EncodeToString(b[:])
}

// AddVolume records a volume that is on disk. The image it names must be there
// still, with the same layer. *VolumeExistsError when the machine has a
// persistent volume of that image, or the boot an ephemeral one, already.
func (in *Inventory) AddVolume(ctx context.Context, v Volume) (Volume, error) {
	v.Created = in.now().UTC()
	return v, in.s.Update(ctx, func(tx *store.Tx) error {
		if _, err := lookup(in.machines.In(tx), "machine", v.Machine, true); err != nil {
			return err
		}
		img, err := lookup(in.images.In(tx), "image", v.Image, true)
		if err != nil {
			return err
		}
		if img.Layer != v.Layer {
			return fmt.Errorf("add volume %q of image %q: %w", v.ID, v.Image, ErrReplaced)
		}
		return in.putVolume(tx, v)
	})
}

func (in *Inventory) putVolume(tx *store.Tx, v Volume) error {
	b, err := in.book(tx, v.Machine)
	if err != nil {
		return err
	}
	if v.Mode == Ephemeral && b.find(v.Boot) == nil {
		return &NotFoundError{Kind: "boot", Name: v.Boot}
	}
	twin, err := in.twin(tx, b, v)
	if err != nil {
		return err
	}
	if twin != nil {
		return &VolumeExistsError{*twin}
	}
	b.Volumes = append(b.Volumes, v.ID)
	if err := in.books.In(tx).Put(v.Machine, b); err != nil {
		return err
	}
	in.removals.In(tx).Delete(Removal{Kind: RemoveVolume, ID: v.ID}.key())
	return in.volumes.In(tx).Put(v.ID, v)
}

// twin is the volume that already serves the purpose of v.
func (in *Inventory) twin(tx *store.Tx, b book, v Volume) (*Volume, error) {
	for _, id := range b.Volumes {
		other, err := in.volumes.In(tx).Get(id)
		if err != nil {
			return nil, err
		}
		if other.Mode == v.Mode && other.Image == v.Image && other.Boot == v.Boot {
			return &other, nil
		}
	}
	return nil, nil
}

// FindVolume is the volume that a boot of machine gets in this mode: its
// persistent volume of that image, or the ephemeral one made for boot.
// *NotFoundError when there is none yet.
func (in *Inventory) FindVolume(ctx context.Context, machine, image string, mode Mode, boot string) (Volume, error) {
	if mode == Persistent {
		boot = ""
	}
	var twin *Volume
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		twin, err = in.twin(tx, b, Volume{Image: image, Mode: mode, Boot: boot})
		return err
	})
	if err != nil {
		return Volume{}, err
	}
	if twin == nil {
		return Volume{}, &NotFoundError{Kind: string(mode) + " volume of " + image + " for machine", Name: machine}
	}
	return *twin, nil
}

// DropVolume removes the record of a volume and notes that its disk is to be
// removed.
func (in *Inventory) DropVolume(ctx context.Context, id string) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if v, err = lookup(in.volumes.In(tx), "volume", id, true); err != nil {
			return err
		}
		b, err := in.book(tx, v.Machine)
		if err != nil {
			return err
		}
		b.Volumes = slices.DeleteFunc(b.Volumes, func(x string) bool { return x == id })
		for i := range b.Boots {
			if b.Boots[i].Volume == id {
				b.Boots[i].Volume = ""
			}
		}
		if err := in.books.In(tx).Put(v.Machine, b); err != nil {
			return err
		}
		in.volumes.In(tx).Delete(id)
		return in.noteRemoval(tx, Removal{Kind: RemoveVolume, ID: id})
	})
	return v, err
}

// SetVolumeLimit records a new limit in bytes, 0 for none.
func (in *Inventory) SetVolumeLimit(ctx context.Context, id string, limit int64) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if v, err = lookup(in.volumes.In(tx), "volume", id, true); err != nil {
			return err
		}
		if limit < 0 {
			return &InvalidError{What: "limit", Value: fmt.Sprint(limit), Want: "it is a number of bytes, 0 for none"}
		}
		v.Limit = limit
		return in.volumes.In(tx).Put(id, v)
	})
	return v, err
}

// Volume is one volume by ID.
func (in *Inventory) Volume(ctx context.Context, id string) (Volume, error) {
	return find(ctx, in.volumes, "volume", id, true)
}

// Volumes are all volumes in the order of their IDs.
func (in *Inventory) Volumes(ctx context.Context) ([]Volume, error) {
	return values(in.volumes.List(ctx))
}

// WatchVolumes is like WatchMachines.
func (in *Inventory) WatchVolumes(ctx context.Context, fn func([]store.Event[Volume]) error) error {
	return in.volumes.Watch(ctx, fn)
}

// book is the record of a machine's boots and volumes; empty at first.
func (in *Inventory) book(tx *store.Tx, machine string) (book, error) {
	b, err := in.books.In(tx).Get(machine)
	if errors.Is(err, store.ErrNotFound) {
		return book{}, nil
	}
	return b, err
}
