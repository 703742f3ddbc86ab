package targets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/shelf"
)

// held is the owner that has a machine's target open, "" if none has, and the
// logical units that it has. A login that is under way is waited for: until it is
// done nobody can tell whether it has found what is on record now.
func (t *Targets) held(ctx context.Context, machine string) (target, owner string, luns []uint8, err error) {
	s := t.now.Load()
	if s == nil {
		return "", "", nil, nil
	}
	target = t.o.Boot.Target(machine)
	owner, luns, err = s.Held(ctx, target)
	return target, owner, luns, err
}

// tries bounds how often a new boot of a machine may come in between.
const tries = 5

// attachLive gives what is attached to a machine, on record already, to the boot
// that runs, and tells whether one does.
func (t *Targets) attachLive(ctx context.Context, machine string, a inventory.Attachment) (live bool, err error) {
	failed := fmt.Errorf("machine %q boots again and again meanwhile", machine)
	for range tries {
		target, owner, luns, err := t.held(ctx, machine)
		if err != nil || owner == "" {
			return false, err
		}
		if slices.Contains(luns, a.LUN) { // a boot that logged in just now has found the record
			return true, nil
		}
		u, err := (&gate{t.o}).attachedUnit(ctx, machine, a)
		var taken *shelf.TakenError
		if errors.As(err, &taken) && slices.Contains(taken.Machines, machine) {
			failed = err // such a boot is logging in, or this was detached and is not closed yet
			continue
		}
		if err != nil {
			return true, err
		}
		err = t.now.Load().AttachUnit(ctx, target, owner, a.LUN, u)
		if err == nil {
			t.noteDisk(ctx, owner, a, "given")
			return true, nil
		}
		u.Close()
		if errors.Is(err, iscsi.ErrLUNInUse) { // likewise
			return true, nil
		}
		if !errors.Is(err, iscsi.ErrNotHeld) {
			return true, err
		}
	}
	return true, failed
}

// detachLive takes what was attached to a machine, and is on record no more, from
// the boot that runs, and tells whether one does. It returns when the last I/O
// has returned and the volume is closed.
func (t *Targets) detachLive(ctx context.Context, machine string, a inventory.Attachment) (live bool, err error) {
	for range tries {
		target, owner, _, err := t.held(ctx, machine)
		if err != nil {
			return true, unreturned(machine, a, err)
		}
		if owner == "" {
			return false, nil
		}
		switch err := t.now.Load().DetachUnit(ctx, target, owner, a.LUN); {
		case err == nil:
			t.noteDisk(ctx, owner, a, "taken away")
			return true, nil
		case errors.Is(err, iscsi.ErrNoUnit): // it could not be opened, or the boot has come after
			return false, nil
		case !errors.Is(err, iscsi.ErrNotHeld):
			return true, unreturned(machine, a, err)
		}
	}
	return true, fmt.Errorf("machine %q boots again and again meanwhile", machine)
}

// unreturned tells of what was taken from a machine and cannot be closed yet.
func unreturned(machine string, a inventory.Attachment, err error) error {
	return fmt.Errorf("%s is no disk of machine %q any more, but stays open until its last I/O has returned: %w", a.What(), machine, err)
}

// noteDisk says in the timeline of a boot what became of its disks.
func (t *Targets) noteDisk(ctx context.Context, owner string, a inventory.Attachment, done string) {
	if b, err := t.o.Boot.Owner(ctx, owner); err == nil {
		t.o.Boot.Progress(b, "", recorder.Info, fmt.Sprintf("LUN %d, %s, was %s", a.LUN, a.What(), done))
	}
}

// mayDetach refuses to take a disk from a machine that runs and may be writing
// to it: what it has not written yet would be lost.
func (t *Targets) mayDetach(ctx context.Context, machine string, lun uint8) error {
	m, err := t.o.Inventory.Machine(ctx, machine)
	if err != nil {
		return err
	}
	a, err := m.Attached(lun)
	if err != nil || a.ReadOnly {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, LastIO)
	defer cancel()
	_, owner, _, err := t.held(ctx, machine)
	if err != nil {
		return err
	}
	awaited, err := t.o.Storage.Awaited(ctx, machine)
	if err != nil || owner == "" && awaited.IsZero() {
		return err
	}
	return mounted(machine, a, owner != "", awaited)
}

// mounted refuses to take a volume from a machine that runs, or is awaited until
// then.
func mounted(machine string, a inventory.Attachment, runs bool, awaited time.Time) error {
	by := fmt.Sprintf("machine %s, which runs and can write to it", machine)
	if !runs {
		by = fmt.Sprintf("machine %s, which ran before this server was started and may come back to it until %s", machine, awaited.Local().Format("15:04:05"))
	}
	return &inventory.InUseError{
		Kind: "volume", Name: a.Volume, By: []string{by},
		Remedy: fmt.Sprintf("unmount it there, then `bootes machine detach %s --lun %d --force`", machine, a.LUN),
	}
}
