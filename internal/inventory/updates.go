package inventory

import (
	"context"
	"fmt"
	"slices"

	"bootes.dev/internal/store"
)

// UpdateError says that a machine is, or is not, in update mode.
type UpdateError struct {
	Machine string
	Update  *Update // nil: it is not
}

func (e *UpdateError) Error() string {
	if e.Update == nil {
		return fmt.Sprintf("machine %q is not in update mode: begin with `bootes image update IMAGE --machine %s`", e.Machine, e.Machine)
	}
	return fmt.Sprintf("machine %q is in update mode already, for the image that follows %s: publish it with `bootes image publish %s NAME:TAG`, or give it up with `bootes image update --cancel %s`",
		e.Machine, e.Update.Image, e.Machine, e.Machine)
}

// Published is an image that was made of a volume.
type Published struct {
	Image   Image
	Tag     string // to point to the image; "": none
	Machine string // whose update mode ends; "": none
	Volume  string // of that update
}

// Publish records an image, moves the tag and ends the machine's update mode,
// all at once or not at all. The volume stays.
func (in *Inventory) Publish(ctx context.Context, p Published) (i Image, t Tag, err error) {
	p.Image.Created = in.now().UTC()
	err = in.s.Update(ctx, func(tx *store.Tx) error {
		if err := in.putImage(tx, p.Image); err != nil {
			return err
		}
		if p.Tag != "" {
			if t, err = in.setTag(tx, p.Tag, p.Image.Ref()); err != nil {
				return err
			}
		}
		if p.Machine == "" {
			return nil
		}
		m, err := lookup(in.machines.In(tx), "machine", p.Machine, true)
		if err != nil {
			return err
		}
		if m.Update == nil || m.Update.Volume != p.Volume {
			return &UpdateError{Machine: p.Machine}
		}
		m.Update = nil
		return in.machines.In(tx).Put(m.Name, m)
	})
	return p.Image, t, err
}

// CheckPublish says beforehand what Publish would refuse of the names.
func (in *Inventory) CheckPublish(ctx context.Context, ref, tag string) error {
	if tag != "" && tag == ref {
		return &InvalidError{What: "tag", Value: tag, Want: "it is the image's own name: the tag needs another one"}
	}
	return in.s.Update(ctx, func(tx *store.Tx) error {
		if err := in.checkNewImage(tx, ref); err != nil || tag == "" {
			return err
		}
		return in.checkTag(tx, tag)
	})
}

// beginUpdate notes in the machine of v that its boots run from v.
func (in *Inventory) beginUpdate(tx *store.Tx, v Volume) error {
	m, err := lookup(in.machines.In(tx), "machine", v.Machine, true)
	if err != nil {
		return err
	}
	if m.Update != nil {
		return &UpdateError{Machine: m.Name, Update: m.Update}
	}
	m.Update = &Update{Image: v.Image, Volume: v.ID, Started: v.Created}
	return in.machines.In(tx).Put(m.Name, m)
}

// stopUpdate ends the update mode that runs from the volume v, if one does.
func (in *Inventory) stopUpdate(tx *store.Tx, v Volume) error {
	if v.Mode == Data {
		return nil
	}
	m, err := absentIsZero(in.machines.In(tx).Get(v.Machine))
	if err != nil || m.Update == nil || m.Update.Volume != v.ID {
		return err
	}
	m.Update = nil
	return in.machines.In(tx).Put(m.Name, m)
}

// keepDisk lets a machine that is given another name for what its disk was made
// of keep that disk: a tag in place of the image, or the other way round.
func (in *Inventory) keepDisk(tx *store.Tx, old, m Machine, to Image) error {
	b, err := in.book(tx, m.Name)
	if err != nil {
		return err
	}
	var volumes []Volume
	for _, id := range b.Volumes {
		v, err := in.volumes.In(tx).Get(id)
		if err != nil {
			return err
		}
		if v.Mode == Persistent {
			volumes = append(volumes, v)
		}
	}
	if slices.ContainsFunc(volumes, func(v Volume) bool { return v.Ref == m.Image }) {
		return nil
	}
	for _, v := range volumes {
		if v.Ref == old.Image && v.Image == to.Ref() {
			v.Ref = m.Image
			return in.volumes.In(tx).Put(v.ID, v)
		}
	}
	return nil
}

// CancelUpdate ends a machine's update mode. Its volume stays.
func (in *Inventory) CancelUpdate(ctx context.Context, machine string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		m, err := lookup(in.machines.In(tx), "machine", machine, true)
		if err != nil {
			return err
		}
		m.Update = nil
		return in.machines.In(tx).Put(machine, m)
	})
}
