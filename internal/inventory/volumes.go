package inventory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
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
// still, with the same layer; it may name none. *VolumeExistsError when the
// machine has a persistent volume of that Ref, or the boot an ephemeral one,
// already. With a volume for an update the machine's update mode begins;
// *UpdateError when it is in it already.
func (in *Inventory) AddVolume(ctx context.Context, v Volume) (Volume, error) {
	v.Created = in.now().UTC()
	v.Ref = cmp.Or(v.Ref, v.Image)
	return v, in.s.Update(ctx, func(tx *store.Tx) error {
		if v.Mode == Data {
			return in.putData(tx, v)
		}
		if _, err := lookup(in.machines.In(tx), "machine", v.Machine, true); err != nil {
			return err
		}
		if err := in.standsOn(tx, v); err != nil {
			return err
		}
		if v.Mode == Updating {
			if err := in.beginUpdate(tx, v); err != nil {
				return err
			}
		}
		return in.putVolume(tx, v)
	})
}

// standsOn makes sure that the image of v is there still.
func (in *Inventory) standsOn(tx *store.Tx, v Volume) error {
	if v.Image == "" {
		return nil
	}
	img, err := lookup(in.images.In(tx), "image", v.Image, true)
	if err != nil {
		return err
	}
	if img.Layer != v.Layer {
		return fmt.Errorf("volume %q of image %q: %w", v.ID, v.Image, ErrReplaced)
	}
	return nil
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

// twin is the volume that already serves the purpose of v. An update's volume
// has none: one that is left of an earlier update is on its way out.
func (in *Inventory) twin(tx *store.Tx, b book, v Volume) (*Volume, error) {
	if v.Mode == Updating {
		return nil, nil
	}
	for _, id := range b.Volumes {
		other, err := in.volumes.In(tx).Get(id)
		if err != nil {
			return nil, err
		}
		if other.Mode == v.Mode && other.Ref == v.Ref && other.Boot == v.Boot {
			return &other, nil
		}
	}
	return nil, nil
}

// FindVolume is the volume that a boot of machine gets in this mode: its
// persistent volume for ref, an image or a tag, or the ephemeral one made for
// boot. *NotFoundError when there is none yet.
func (in *Inventory) FindVolume(ctx context.Context, machine, ref string, mode Mode, boot string) (Volume, error) {
	if mode == Persistent {
		boot = ""
	}
	var twin *Volume
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		twin, err = in.twin(tx, b, Volume{Ref: ref, Mode: mode, Boot: boot})
		return err
	})
	if err != nil {
		return Volume{}, err
	}
	if twin == nil {
		return Volume{}, &NotFoundError{Kind: string(mode) + " volume of " + ref + " for machine", Name: machine}
	}
	return *twin, nil
}

// DropVolume removes the record of a volume and notes that its disk is to be
// removed. An update mode that runs from it ends. *InUseError while a machine
// has it attached.
func (in *Inventory) DropVolume(ctx context.Context, id string) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if v, err = lookup(in.volumes.In(tx), "volume", id, true); err != nil {
			return err
		}
		if err := in.loose(tx, v); err != nil {
			return err
		}
		if err := in.stopUpdate(tx, v); err != nil {
			return err
		}
		err = in.detach(tx, v, func(b *book) {
			b.Volumes = slices.DeleteFunc(b.Volumes, func(x string) bool { return x == id })
		})
		if err != nil {
			return err
		}
		in.volumes.In(tx).Delete(id)
		in.reservations.In(tx).Delete(id)
		return in.noteRemoval(tx, Removal{Kind: RemoveVolume, ID: id})
	})
	return v, err
}

// DetachVolume takes a volume from the boots that have it: its content is about
// to be replaced, and no system that knew the old one may find the new.
func (in *Inventory) DetachVolume(ctx context.Context, id string) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if v, err = lookup(in.volumes.In(tx), "volume", id, true); err != nil {
			return err
		}
		return in.detach(tx, v, func(*book) {})
	})
	return v, err
}

func (in *Inventory) detach(tx *store.Tx, v Volume, also func(*book)) error {
	if v.Mode == Data {
		return nil
	}
	b, err := in.book(tx, v.Machine)
	if err != nil {
		return err
	}
	for i := range b.Boots {
		if b.Boots[i].Volume == v.ID {
			b.Boots[i].Volume = ""
		}
	}
	also(&b)
	return in.books.In(tx).Put(v.Machine, b)
}

// SetVolume lets change alter what a volume stands on, and its snapshots; the
// image must be there. change may be called more than once.
func (in *Inventory) SetVolume(ctx context.Context, id string, change func(*Volume)) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		old, err := lookup(in.volumes.In(tx), "volume", id, true)
		if err != nil {
			return err
		}
		v = old
		v.Snapshots = maps.Clone(old.Snapshots)
		change(&v)
		v.ID, v.Machine, v.Ref, v.Mode, v.Limit, v.Boot, v.Created = old.ID, old.Machine, old.Ref, old.Mode, old.Limit, old.Boot, old.Created
		v.Shareable, v.IOPS, v.Bandwidth = old.Shareable, old.IOPS, old.Bandwidth
		if err := in.standsOn(tx, v); err != nil {
			return err
		}
		return in.volumes.In(tx).Put(id, v)
	})
	return v, err
}

// DropSnapshot takes a snapshot off a volume's record and notes that it is to be
// removed from disk.
func (in *Inventory) DropSnapshot(ctx context.Context, id, name string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		v, err := lookup(in.volumes.In(tx), "volume", id, true)
		if err != nil {
			return err
		}
		v.Snapshots = maps.Clone(v.Snapshots)
		delete(v.Snapshots, name)
		if err := in.volumes.In(tx).Put(id, v); err != nil {
			return err
		}
		return in.noteRemoval(tx, Removal{Kind: RemoveSnapshot, ID: id + "@" + name})
	})
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
