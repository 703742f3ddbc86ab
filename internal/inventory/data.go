package inventory

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"bootes.dev/internal/store"
)

var (
	volumeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	madeName   = regexp.MustCompile(`-[0-9a-f]{8}$`) // as NewVolumeID makes them
)

// CheckVolumeName says whether a data volume may be called that.
func CheckVolumeName(name string) error {
	if !volumeName.MatchString(name) || madeName.MatchString(name) {
		return &InvalidError{What: "volume name", Value: name, Want: "it has lower-case letters, digits, dots, hyphens and underscores between them, at most 64, and does not end in a hyphen and eight hex digits, as the names of machines' own volumes do"}
	}
	return nil
}

// PrepareData is PrepareVolume for a data volume, whose name must be free.
func (in *Inventory) PrepareData(ctx context.Context, v Volume) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		if err := in.checkData(tx, v); err != nil {
			return err
		}
		return in.noteRemoval(tx, Removal{Kind: RemoveVolume, ID: v.ID})
	})
}

func (in *Inventory) checkData(tx *store.Tx, v Volume) error {
	if err := CheckVolumeName(v.ID); err != nil {
		return err
	}
	if err := v.checkUnit(); err != nil {
		return err
	}
	_, err := in.volumes.In(tx).Get(v.ID)
	if err == nil {
		return &ExistsError{Kind: "volume", Name: v.ID, Remedy: "choose another name, or remove it first with `bootes volume rm " + v.ID + "`"}
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = in.machines.In(tx).Get(v.ID)
	if err == nil {
		return &ExistsError{Kind: "machine", Name: v.ID, Remedy: "a volume of that name would be mistaken for the machine's own: choose another name"}
	}
	_, err = absentIsZero(Machine{}, err)
	return err
}

func (in *Inventory) putData(tx *store.Tx, v Volume) error {
	if err := in.checkData(tx, v); err != nil {
		return err
	}
	in.removals.In(tx).Delete(Removal{Kind: RemoveVolume, ID: v.ID}.key())
	return in.volumes.In(tx).Put(v.ID, v)
}

// notAVolume refuses a machine the name of a data volume.
func (in *Inventory) notAVolume(tx *store.Tx, name string) error {
	_, err := in.volumes.In(tx).Get(name)
	switch {
	case err == nil:
		return &ExistsError{Kind: "volume", Name: name, Remedy: "the machine's own disk would be mistaken for it: choose another name for the machine"}
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// checkUnit looks at what a volume is as a logical unit.
func (v Volume) checkUnit() error {
	switch v.BlockSize {
	case 0, 512, 4096:
	default:
		return &InvalidError{What: "block size", Value: fmt.Sprint(v.BlockSize), Want: "it is 512 or 4096 bytes"}
	}
	if v.Limit < 0 || v.IOPS < 0 || v.Bandwidth < 0 {
		return &InvalidError{What: "limit", Value: fmt.Sprint(min(v.Limit, v.IOPS, v.Bandwidth)), Want: "it is not negative, 0 for none"}
	}
	return nil
}

// SetUnit lets change alter what a volume is as a logical unit: Shareable, IOPS and
// Bandwidth. A volume that several machines have stays shared.
func (in *Inventory) SetUnit(ctx context.Context, id string, change func(*Volume)) (Volume, error) {
	var v Volume
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		old, err := lookup(in.volumes.In(tx), "volume", id, true)
		if err != nil {
			return err
		}
		asked := old
		change(&asked)
		v = old
		v.Shareable, v.IOPS, v.Bandwidth = asked.Shareable, asked.IOPS, asked.Bandwidth
		if err := in.shareable(tx, old, v); err != nil {
			return err
		}
		if err := v.checkUnit(); err != nil {
			return err
		}
		return in.volumes.In(tx).Put(id, v)
	})
	return v, err
}

func (in *Inventory) shareable(tx *store.Tx, old, v Volume) error {
	if v.Shareable == old.Shareable {
		return nil
	}
	if v.Mode != Data {
		return &DataError{Volume: v.ID, Machine: v.Machine, Why: "only data volumes are shared"}
	}
	at, err := in.attachedTo(tx, v.ID)
	if err != nil || v.Shareable || len(at) < 2 {
		return err
	}
	return AttachedError(v.ID, at)
}

// Bootable refuses an image that no machine can boot and no disk is made of.
func (i Image) Bootable() error {
	if i.Kind != CDROM {
		return nil
	}
	return &InvalidError{What: "image", Value: i.Ref(), Want: "it is a CD-ROM, which no machine's disk can be made of: give a machine it beside its disk with `bootes machine attach MACHINE --image " + i.Ref() + "`"}
}

// Reservations are the persistent reservations of a volume as KeepReservations
// was given them last; nothing if there are none.
func (in *Inventory) Reservations(ctx context.Context, volume string) ([]byte, error) {
	r, err := absentIsZero(in.reservations.Get(ctx, volume))
	return r.Value, err
}

// KeepReservations replaces the persistent reservations of a volume, with
// nothing if data is empty. They are durable when it returns.
func (in *Inventory) KeepReservations(ctx context.Context, volume string, data []byte) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		if _, err := lookup(in.volumes.In(tx), "volume", volume, false); err != nil {
			return err
		}
		if len(data) == 0 {
			in.reservations.In(tx).Delete(volume)
			return nil
		}
		return in.reservations.In(tx).Put(volume, data)
	})
}
