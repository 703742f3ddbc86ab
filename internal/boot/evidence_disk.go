package boot

import (
	"errors"
	"net/netip"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
)

// scriptRefused notes that a's script was asked for, and why it was not given.
func (s *Service) scriptRefused(by Asker, err error) {
	a := s.attempts.byCard(by.MAC.String())
	if a == nil {
		return
	}
	final := !errors.Is(err, ErrForbidden)
	s.attempts.with(a, func() {
		a.seen.Script.Refusals++
		a.seen.Script.Refused, a.seen.Script.Final = err.Error(), final
		if errors.Is(err, block.ErrNoSpace) {
			a.seen.Disk.Full = err.Error()
		}
	})
	if final {
		s.settle(a, &a.watch.due.settle)
	}
}

// scriptIs notes the script that a's machine has.
func (a *attempt) scriptIs(v inventory.Volume, remote netip.Addr) {
	a.addr, a.layer = remote, v.Layer
	a.seen.Script.Refusals, a.seen.Script.Waiting = 0, false
	d := &a.seen.Disk
	d.Full = ""
	d.Volume, d.Image, d.Ref, d.Ready, d.Limit = v.ID, v.Image, v.Ref, v.Identity, v.Limit
}

// loginRefused notes a login that was refused to the computer that boots as a
// machine, or says that it is it.
func (s *Service) loginRefused(in Initiator, machine, reason string) {
	a := s.attempts.current(machine)
	if a == nil {
		return
	}
	its := false
	s.attempts.with(a, func() {
		if its = in.Remote == a.addr || in.Name == s.InitiatorName(machine); its {
			a.refused(reason)
		}
	})
	if its {
		s.alive(a)
		s.settle(a, &a.watch.due.settle)
	}
}

// refused notes a login that failed.
func (a *attempt) refused(reason string) {
	if diagnose.Unfinished(reason) {
		a.seen.Login.Broken = reason
		return
	}
	a.seen.Login.Refusals++
	a.seen.Login.Refused = reason
}

// loggedIn notes a login.
func (a *attempt) loggedIn(by Session, now time.Time) {
	a.seen.Login = diagnose.Login{}
	if a.diskAt.IsZero() {
		a.diskAt = now
	}
	if by.Firmware {
		a.seen.System.Left, a.seen.System.GaveUp, a.seen.System.Untaken, a.watch.left = false, false, false, time.Time{}
	} else {
		switch {
		case a.systemAt.IsZero():
			a.systemAt = now
		case a.seen.System.Ended != "" && !a.seen.System.LoggedOut:
			a.reopened, a.lostBy = a.reopened+1, a.seen.System.Ended
		}
		a.seen.System.Ended, a.seen.System.Lasted, a.seen.System.Deaf = "", 0, false
	}
}

// SessionEnded notes the end of a session of b.
func (s *Service) SessionEnded(b inventory.Boot, by Session, reason string, lasted time.Duration) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	s.attempts.with(a, func() {
		y := &a.seen.System
		switch {
		case by.Firmware && by.Untaken:
			y.Untaken = true
		case by.Firmware:
			y.Left, a.watch.left = true, time.Now()
		default:
			y.Silent = time.Time{}
			y.Ended, y.Lasted, y.LoggedOut, y.Deaf = reason, lasted, by.LoggedOut, by.Unanswered > 0
			a.left = time.Now()
		}
	})
	s.alive(a)
	if by.Unanswered > 0 {
		s.attempts.with(a, func() { a.deaf = time.Now().Add(-by.Unanswered); a.watch.life = a.deaf })
	}
	if by.Firmware && !by.Untaken || by.Unanswered > 0 {
		s.settle(a, &a.watch.due.settle)
	}
}

// DiskFailure is why a read or a write failed.
type DiskFailure struct {
	Err     error // a block.ErrCorrupt or a block.ErrNoSpace
	AtLimit bool  // it is the volume's own limit that leaves no space
	Limit   int64 // bytes
}

// DiskFails notes that a read or a write of b's disk has failed, and says at once
// what that means: the first time, since a disk that fails does so often.
func (s *Service) DiskFails(b inventory.Boot, f DiskFailure) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	news := false
	s.attempts.with(a, func() {
		d := &a.seen.Disk
		switch {
		case errors.Is(f.Err, block.ErrCorrupt) && d.Corrupt == "":
			d.Corrupt, news = f.Err.Error(), true
		case errors.Is(f.Err, block.ErrNoSpace) && d.Full == "":
			d.Full, d.Limit, d.AtLimit, news = f.Err.Error(), f.Limit, f.AtLimit, true
		}
	})
	if news {
		s.settle(a, &a.watch.due.failing)
	}
}

// Opened notes what the disk of b looks like to its firmware, or why it could not
// be opened.
func (s *Service) Opened(b inventory.Boot, l diagnose.Layout, err error) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	s.attempts.with(a, func() {
		a.seen.Disk.Layout = l
		if err != nil {
			a.seen.Login.Open = err.Error()
		}
		if errors.Is(err, block.ErrCorrupt) {
			a.seen.Disk.Corrupt = err.Error()
		}
	})
	again := false
	s.attempts.with(a, func() { again = a.loops })
	switch {
	case err != nil:
		s.settle(a, &a.watch.due.settle)
	case again && s.Contents != nil:
		s.settle(a, &a.watch.due.inside)
	}
}
