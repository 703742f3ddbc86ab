package iscsi

import (
	"context"
	"errors"
	"fmt"
)

// Errors of AttachUnit and DetachUnit.
var (
	ErrNotHeld  = errors.New("target is not held by that owner")
	ErrLUNInUse = errors.New("logical unit number is in use")
	ErrNoUnit   = errors.New("there is no such logical unit")
)

// held returns the target called name with its busy lock held, if owner has it.
func (s *Server) held(ctx context.Context, name, owner string) (*target, error) {
	t, err := s.acquire(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("wait for target %q: %w", name, err)
	}
	if t.hold == nil || t.owner != owner {
		t.release()
		return nil, fmt.Errorf("target %q, owner %q: %w", name, owner, ErrNotHeld)
	}
	return t, nil
}

// Held tells who holds the target called name, "" if nobody does, and which
// logical units it has then. A login that is under way is waited for: whoever is
// let in after Held was called has found what was so before.
func (s *Server) Held(ctx context.Context, name string) (owner string, luns []uint8, err error) {
	t, err := s.acquire(ctx, name)
	if err != nil {
		return "", nil, fmt.Errorf("wait for a login to target %q: %w", name, err)
	}
	defer t.release()
	if t.hold == nil {
		return "", nil, nil
	}
	for lun := range t.hold.units {
		if t.hold.units[lun].Load() != nil {
			luns = append(luns, uint8(lun))
		}
	}
	return t.owner, luns, nil
}

// AttachUnit adds a logical unit to the target called name while owner holds
// it. Initiators are told by a unit attention that the logical units have
// changed. The unit is closed with the others at the latest; on an error, which
// wraps ErrNotHeld or ErrLUNInUse, it is still the caller's.
func (s *Server) AttachUnit(ctx context.Context, name, owner string, lun uint8, u Unit) error {
	t, err := s.held(ctx, name, owner)
	if err != nil {
		return fmt.Errorf("attach logical unit %d: %w", lun, err)
	}
	defer t.release()
	if t.hold.units[lun].Load() != nil {
		return fmt.Errorf("attach logical unit %d to target %q: %w", lun, name, ErrLUNInUse)
	}
	t.hold.units[lun].Store(s.newUnit(lun, u))
	t.hold.device.Add(lun, u.Disk)
	return nil
}

// DetachUnit takes a logical unit from the target called name while owner holds
// it, and returns when its commands have ended and it is closed. They
// fail as if there were no such unit. When ctx ends first the unit is
// detached all the same, and closed later. Other errors wrap ErrNotHeld or
// ErrNoUnit.
func (s *Server) DetachUnit(ctx context.Context, name, owner string, lun uint8) error {
	t, err := s.held(ctx, name, owner)
	if err != nil {
		return fmt.Errorf("detach logical unit %d: %w", lun, err)
	}
	u := t.detach(lun)
	t.release()
	if u == nil {
		return fmt.Errorf("detach logical unit %d of target %q: %w", lun, name, ErrNoUnit)
	}
	select {
	case <-u.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("detach logical unit %d of target %q: wait for its commands: %w", lun, name, ctx.Err())
	}
}

// detach hides a unit from new commands and makes the others end. busy is held.
func (t *target) detach(lun uint8) *unit {
	h := t.hold
	u := h.units[lun].Swap(nil)
	if u == nil {
		return nil
	}
	h.device.Remove(lun)
	past := h.past.Load().plus(u.usage())
	h.past.Store(&past)
	h.detaching.Go(func() { <-u.gone })
	for sess := range t.sessions {
		sess.failUnit(u)
	}
	u.detach()
	return u
}

// failUnit fails what has not begun on u. In a session that ends nothing does.
func (s *session) failUnit(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	for _, t := range s.tasks {
		if t.unit != u || t.ending || t.aborted {
			continue
		}
		t.fail(unitGone)
		s.stopWaiting(t)
		t.unpark()
		if t.over() {
			t.ending = true
			s.aside(func() { s.taskDone(t, true) })
		}
	}
	s.unlimit(u, false)
}
