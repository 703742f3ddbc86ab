package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bootes.dev/internal/inventory"
)

// comeback is how long after a start of the server a machine that ran from its
// disk before may take to log in again: initiators try every few seconds, but a
// login that was cut off may have to time out first.
const comeback = 2 * time.Minute

func (s *Storage) open(volume string) bool {
	info, err := s.eng.Volume(volume)
	return err == nil && info.Open
}

// endDead closes a volume whose machine is no longer there: one that was just
// switched off says nothing. It takes some seconds, and the lock of v is not
// held meanwhile: a login that is under way may want it.
func (s *Storage) endDead(ctx context.Context, v inventory.Volume) {
	if v.Mode == inventory.Data || !s.open(v.ID) {
		return
	}
	s.o.Sessions.EndDead(ctx, v.Machine)
	for end := time.Now().Add(s.closing); s.open(v.ID) && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(s.closing / 50)
	}
}

// unused refuses a volume that a machine runs from or, unless off says that it
// is switched off, may be about to: the server was just started, and the machine
// had the volume before. A data volume must be attached to none. instead is what
// else may be done, with the command; "" for nothing.
func (s *Storage) unused(ctx context.Context, v inventory.Volume, instead string, off bool) error {
	if v.Mode == inventory.Data {
		return s.loose(ctx, v)
	}
	e := &inventory.InUseError{Kind: "volume", Name: v.ID}
	if s.open(v.ID) {
		e.By = []string{fmt.Sprintf("machine %s, which runs from it", v.Machine)}
		e.Remedy = fmt.Sprintf("switch %s off first", v.Machine)
		if instead != "" {
			e.Remedy += ", or " + instead
		}
		return e
	}
	until := s.started.Add(comeback)
	if off || !s.now().Before(until) {
		return nil
	}
	had, err := s.hadBefore(ctx, v)
	if !had {
		return err
	}
	e.By = []string{fmt.Sprintf("machine %s, which had it before this server started at %s and may come back to it", v.Machine, clock(s.started))}
	e.Remedy = "wait until " + clock(until)
	if instead != "" {
		e.Remedy += fmt.Sprintf(", or, if %s is off, %s", v.Machine, instead)
	}
	return e
}

// hadBefore reports whether a boot of v's machine, or its static credentials, had
// v when this server started.
func (s *Storage) hadBefore(ctx context.Context, v inventory.Volume) (bool, error) {
	boots, err := s.inv.Boots(ctx, v.Machine)
	for _, b := range boots {
		if b.Current && b.Volume == v.ID && b.Created.Before(s.started) {
			return true, nil
		}
	}
	if err != nil {
		return false, err
	}
	st, err := s.heldBefore(ctx, v.Machine)
	return st.Volume == v.ID, err
}

// heldBefore are the static credentials of a machine that held its disk before
// this server started; the zero ones if there are none.
func (s *Storage) heldBefore(ctx context.Context, machine string) (inventory.Static, error) {
	st, err := s.inv.Static(ctx, machine)
	if missing(err) || err == nil && !st.Held.Before(s.started) {
		return inventory.Static{}, nil
	}
	return st, err
}

// Awaited is until when a machine that ran before this server was started may
// come back to its disks; the zero time if it may not.
func (s *Storage) Awaited(ctx context.Context, machine string) (time.Time, error) {
	until := s.started.Add(comeback)
	if !s.now().Before(until) {
		return time.Time{}, nil
	}
	boots, err := s.inv.Boots(ctx, machine)
	for _, b := range boots {
		if b.Current && b.Created.Before(s.started) {
			return until, err
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	if st, err := s.heldBefore(ctx, machine); err != nil || st.Volume == "" {
		return time.Time{}, err
	}
	return until, nil
}

func clock(t time.Time) string { return t.Local().Format("15:04:05") }

// MayGiveDisk refuses to give a machine another disk than its static credentials
// hold: a login by them does not tell a system that goes on from one that starts
// afresh, and one that goes on would take the other disk for its own.
func (s *Storage) MayGiveDisk(ctx context.Context, machine string) error {
	v, err := s.heldByStatic(ctx, machine)
	if err != nil || v.ID == "" {
		return err
	}
	s.endDead(ctx, v)
	if err := s.unused(ctx, v, "", false); err != nil {
		return fmt.Errorf("give machine %q another disk, which static credentials would find in place of theirs: %w", machine, err)
	}
	return nil
}

// heldByStatic is what a machine's static credentials opened last, if no boot has
// taken the disk since; the zero volume if there is none.
func (s *Storage) heldByStatic(ctx context.Context, machine string) (inventory.Volume, error) {
	st, err := s.inv.Static(ctx, machine)
	if missing(err) || err == nil && st.Volume == "" {
		return inventory.Volume{}, nil
	}
	if err != nil {
		return inventory.Volume{}, err
	}
	boots, err := s.inv.Boots(ctx, machine)
	if err != nil || slices.ContainsFunc(boots, func(b inventory.Boot) bool { return b.Current }) {
		return inventory.Volume{}, err
	}
	v, err := s.inv.Volume(ctx, st.Volume)
	if missing(err) {
		return inventory.Volume{}, nil
	}
	return v, err
}
