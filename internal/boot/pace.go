package boot

import (
	"context"
	"net/netip"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// A boot that goes on, and takes several times what it should, is told of while it
// does, once a stage, with what its time goes to.

// glance is how often it is looked how a boot goes on.
const glance = 10 * time.Second

// gait is how an attempt goes on at a stage.
type gait struct {
	stage recorder.Stage
	going time.Duration // in which it got on
	told  bool

	at    time.Time // of the last look
	last  diagnose.Pace
	since time.Time // it has got on at each look since then
	first diagnose.Pace
}

// see takes a look, and returns how the boot goes on since it last paused; false:
// it does not.
func (g *gait) see(st recorder.Stage, p diagnose.Pace, now time.Time) (late diagnose.Pace, going bool) {
	if g.stage != st {
		*g = gait{stage: st, at: now, last: p, since: now, first: p}
		return p, false
	}
	going = p.Moved(g.last)
	if going {
		g.going += now.Sub(g.at)
	}
	late, same := p.Since(g.first, now.Sub(g.since))
	if !going || !same {
		g.since, g.first = now, p
	}
	g.at, g.last = now, p
	if p.File.Name != "" {
		p.Over = now.Sub(p.File.Began)
		g.going = p.Over
		return p, going
	}
	return late, going && same
}

// glanced reports whether a may be slow where it is now.
func (a *attempt) glanced(now time.Time) bool {
	return a.sending(now) || !recorder.StageLogin.After(a.stage) && a.stage != recorder.StageRunning
}

// paceOf is how a goes on at the stage where it is.
func (s *Service) paceOf(a *attempt, now time.Time) (st recorder.Stage, p diagnose.Pace) {
	var to netip.Addr
	sending := false
	s.attempts.with(a, func() {
		if sending = a.sending(now); sending || a.glanced(now) {
			st, to = a.stage, a.sendsTo
		}
	})
	switch {
	case st == "":
	case sending && s.Sent != nil:
		p.File = s.Sent(to)
	case !sending && s.Pace != nil:
		p = s.Pace(a.id)
	}
	return st, p
}

// Late is how a boot has gone on since it last paused; false if that is not looked at.
func (s *Service) Late(boot string) (p diagnose.Pace, ok bool) {
	a := s.attempts.current(inventory.MachineOf(boot))
	if a == nil || a.id != boot {
		return p, false
	}
	now := time.Now()
	st, p := s.paceOf(a, now)
	s.attempts.with(a, func() {
		if g := &a.watch.gait; st != "" && g.stage == st {
			p, ok = p.Since(g.first, now.Sub(g.since))
		}
	})
	return p, ok
}

// slow tells of a if it goes on slowly.
func (s *Service) slow(ctx context.Context, a *attempt, now time.Time) {
	st, p := s.paceOf(a, now)
	if st == "" {
		return
	}
	var u recorder.Usual
	if p.File.Name == "" {
		u = s.Recorder.Usual(a.subject, st)
	}
	var going time.Duration
	s.attempts.with(a, func() {
		g, goes := &a.watch.gait, false
		if p, goes = g.see(st, p, now); goes && !g.told && a.stage == st {
			going = g.going
		}
	})
	if going > s.Crawls(st, u) {
		s.goesSlowly(ctx, a, now, p, going)
	}
}

// goesSlowly tells of a what slows it down, if that is seen.
func (s *Service) goesSlowly(ctx context.Context, a *attempt, now time.Time, p diagnose.Pace, going time.Duration) {
	c := s.caseOf(ctx, a, now)
	c.Goes, c.Pace, c.Going, c.Together = true, p, going, s.attempts.reading(a)
	if p.File.Name != "" {
		c.Usual = 0 // that is of its stage, in which firmware does much else
	} else if c.Usual == 0 && c.Disk.Image != "" {
		c.Peers = s.Recorder.Peers(c.Disk.Image, c.Stage, a.subject)
	}
	if going < s.Crawls(c.Stage, c.Peers) || !diagnose.IsSlow(c) {
		return
	}
	s.attempts.with(a, func() { a.watch.gait.told = true })
	d := diagnose.Diagnose(c)
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	if c.Known {
		s.Log.Warn("boot is slow", "machine", c.Subject, "stage", string(c.Stage), "kind", d.Kind, "reason", diagnose.Sentence(d))
	}
}

// Waits notes that a command of b's system has waited long for the machine or the
// network.
func (s *Service) Waits(b inventory.Boot) {
	if a := s.attempts.current(b.Machine); a != nil && a.id == b.ID {
		s.settle(a, &a.watch.due.lossy)
	}
}

// lossy tells of a system whose link loses packets, once.
func (s *Service) lossy(ctx context.Context, a *attempt, now time.Time) {
	if s.Pace == nil || !s.Pace(a.id).Lossy() {
		return
	}
	news := false
	s.attempts.with(a, func() {
		news = a.stage == recorder.StageRunning && !a.watch.lossy
		a.watch.lossy = a.watch.lossy || news
	})
	if !news {
		return
	}
	c := s.caseOf(ctx, a, now)
	c.Goes = true
	d := diagnose.Diagnose(c)
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	s.Log.Warn("link loses packets", "machine", c.Subject, "kind", d.Kind, "reason", diagnose.Sentence(d))
}

// reading is how many other machines read their disks to boot now.
func (as *attempts) reading(a *attempt) (n int) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, o := range as.m {
		if o != a && (o.stage == recorder.StageRead || o.stage == recorder.StageKernel) && o.watch.told == "" {
			n++
		}
	}
	return n
}
