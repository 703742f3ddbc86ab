package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootes.dev/internal/store"
)

// The logical units that may be attached: 0 is the machine's own disk, 1 its
// identity.
const (
	FirstLUN = 2
	LastLUN  = 254
)

// Seat is where something is attached.
type Seat struct {
	Machine string
	LUN     uint8
}

func (s Seat) String() string { return fmt.Sprintf("machine %s (LUN %d)", s.Machine, s.LUN) }

// Attach gives a machine a data volume or an image as a logical unit, the first
// free one if a.LUN is 0. Where a.Image is a tag, what that points to now is
// meant. A volume that is not shared goes to one machine: *InUseError.
func (in *Inventory) Attach(ctx context.Context, machine string, a Attachment) (Attachment, error) {
	var made Attachment
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		made = a
		m, err := lookup(in.machines.In(tx), "machine", machine, true)
		if err != nil {
			return err
		}
		if made.LUN, err = freeLUN(m, a.LUN); err != nil {
			return err
		}
		if err := in.attachable(tx, m, &made); err != nil {
			return err
		}
		m.Disks = append(slices.Clone(m.Disks), made)
		slices.SortFunc(m.Disks, func(a, b Attachment) int { return int(a.LUN) - int(b.LUN) })
		return in.machines.In(tx).Put(machine, m)
	})
	return made, err
}

// freeLUN is lun, or the first that is free in its place if it is 0.
func freeLUN(m Machine, lun uint8) (uint8, error) {
	taken := map[uint8]Attachment{}
	for _, a := range m.Disks {
		taken[a.LUN] = a
	}
	if lun != 0 {
		if lun < FirstLUN || lun > LastLUN {
			return 0, &InvalidError{What: "LUN", Value: fmt.Sprint(lun), Want: fmt.Sprintf("it is a number from %d to %d: 0 is the machine's own disk, 1 its identity", FirstLUN, LastLUN)}
		}
		if a, ok := taken[lun]; ok {
			return 0, &ExistsError{Kind: "LUN", Name: fmt.Sprint(lun), Owner: a.What(), Remedy: fmt.Sprintf("choose another number, or none for the first free one, or detach that with `bootes machine detach %s --lun %d`", m.Name, lun)}
		}
		return lun, nil
	}
	for n := FirstLUN; n <= LastLUN; n++ {
		if _, ok := taken[uint8(n)]; !ok {
			return uint8(n), nil
		}
	}
	return 0, &InvalidError{What: "LUN", Value: "any", Want: fmt.Sprintf("machine %s has %d disks attached, the most there can be", m.Name, len(m.Disks))}
}

// attachable looks whether m may have what a names, and completes a.
func (in *Inventory) attachable(tx *store.Tx, m Machine, a *Attachment) error {
	if (a.Volume == "") == (a.Image == "") {
		return &InvalidError{What: "attachment", Value: a.Volume + a.Image, Want: "it is a volume or an image, one of them"}
	}
	if a.Image != "" {
		i, err := in.resolve(tx, a.Image)
		a.Image, a.ReadOnly = i.Ref(), true
		return err
	}
	v, err := lookup(in.volumes.In(tx), "volume", a.Volume, true)
	if err != nil {
		return err
	}
	if v.Mode != Data {
		return &DataError{Volume: v.ID, Machine: v.Machine, Why: "what is attached are data volumes, which `bootes volume create NAME --size SIZE` makes"}
	}
	at, err := in.attachedTo(tx, v.ID)
	if err != nil {
		return err
	}
	for _, s := range at {
		if s.Machine == m.Name {
			return &ExistsError{Kind: "attachment", Name: v.ID, Owner: s.String(), Remedy: "a machine has a volume once"}
		}
	}
	if len(at) > 0 && !v.Shareable {
		return &InUseError{Kind: "volume", Name: v.ID, By: seated(at), Remedy: fmt.Sprintf("%s, or, if what runs on them expects others to write to it, let several have it with `bootes volume set %s --shared=on`", detachFirst(at), v.ID)}
	}
	return nil
}

// Detach takes what is attached at a LUN from a machine.
func (in *Inventory) Detach(ctx context.Context, machine string, lun uint8) (Attachment, error) {
	var gone Attachment
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		m, err := lookup(in.machines.In(tx), "machine", machine, true)
		if err != nil {
			return err
		}
		if gone, err = m.Attached(lun); err != nil {
			return err
		}
		m.Disks = slices.DeleteFunc(slices.Clone(m.Disks), func(a Attachment) bool { return a.LUN == lun })
		return in.machines.In(tx).Put(machine, m)
	})
	return gone, err
}

// Attached is what m has at a LUN beside its own disk.
func (m Machine) Attached(lun uint8) (Attachment, error) {
	missing := &NotFoundError{Kind: "LUN", Name: fmt.Sprintf("%d of machine %s", lun, m.Name), Known: []string{}}
	for _, a := range m.Disks {
		if a.LUN == lun {
			return a, nil
		}
		missing.Known = append(missing.Known, fmt.Sprintf("%d (%s)", a.LUN, a.What()))
	}
	return Attachment{}, missing
}

// Seats are the places of each data volume that is attached.
func (in *Inventory) Seats(ctx context.Context) (map[string][]Seat, error) {
	machines, err := in.Machines(ctx)
	return seats(machines, Attachment.volume), err
}

// AttachedTo are the places where a data volume is attached.
func (in *Inventory) AttachedTo(ctx context.Context, volume string) ([]Seat, error) {
	at, err := in.Seats(ctx)
	return at[volume], err
}

func (in *Inventory) attachedTo(tx *store.Tx, volume string) ([]Seat, error) {
	machines, err := values(in.machines.In(tx).List())
	return seats(machines, Attachment.volume)[volume], err
}

// seats are the places where machines hold something, by what it is; "" is
// nothing.
func seats(machines []Machine, what func(Attachment) string) map[string][]Seat {
	at := map[string][]Seat{}
	for _, m := range machines {
		for _, a := range m.Disks {
			if w := what(a); w != "" {
				at[w] = append(at[w], Seat{m.Name, a.LUN})
			}
		}
	}
	return at
}

func (a Attachment) volume() string { return a.Volume }
func (a Attachment) image() string  { return a.Image }

func seated(at []Seat) []string {
	names := make([]string, 0, len(at))
	for _, s := range at {
		names = append(names, s.String())
	}
	return names
}

// detachFirst are the commands that free what is attached.
func detachFirst(at []Seat) string {
	commands := make([]string, 0, len(at))
	for _, s := range at {
		commands = append(commands, fmt.Sprintf("`bootes machine detach %s --lun %d`", s.Machine, s.LUN))
	}
	return "detach it with " + strings.Join(commands, ", ")
}

// AttachedError refuses what is not done to a data volume that machines have;
// nil if none has.
func AttachedError(volume string, at []Seat) error {
	if len(at) == 0 {
		return nil
	}
	return &InUseError{Kind: "volume", Name: volume, By: seated(at), Remedy: "first " + detachFirst(at)}
}

// loose refuses a volume that a machine has attached.
func (in *Inventory) loose(tx *store.Tx, v Volume) error {
	if v.Mode != Data {
		return nil
	}
	at, err := in.attachedTo(tx, v.ID)
	if err != nil {
		return err
	}
	return AttachedError(v.ID, at)
}
