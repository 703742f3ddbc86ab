package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// FellSilent notes that b's system has its session still and has not been heard for
// a while, in which it left a ping unanswered. It had lasted so long until then.
func (s *Service) FellSilent(b inventory.Boot, silent, unanswered, lasted time.Duration) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	now := time.Now()
	s.attempts.with(a, func() {
		a.deaf, a.seen.System.Silent, a.seen.System.Lasted = now.Add(-unanswered), now.Add(-silent), lasted
	})
	s.settle(a, &a.watch.due.silent)
}

// HeardAgain takes back that b's system is silent: it answers, or has opened its
// disk anew.
func (s *Service) HeardAgain(b inventory.Boot) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	was := false
	s.attempts.with(a, func() {
		if y := &a.seen.System; !y.Silent.IsZero() {
			y.Silent, y.Lasted = time.Time{}, 0
		}
		was, a.silent = a.silent, false
	})
	if was {
		s.say(a, recorder.Event{Text: "its system is heard again", Resolved: diagnose.SystemSilent})
	}
}

// silent tells of a's system that it is silent, unless that is over. Blocks of its
// image that have changed may have stopped it.
func (s *Service) silent(ctx context.Context, a *attempt, now time.Time) {
	if s.ask(s.open, a); s.open.Err() != nil {
		return
	}
	c := s.caseOf(ctx, a, now)
	if c.System.Silent.IsZero() {
		return
	}
	c.Silent = now.Sub(c.System.Silent)
	d := diagnose.Diagnose(c)
	s.attempts.with(a, func() { a.silent = true })
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	s.suspect(a, c) // then: what it finds is said after this
	s.Log.Warn("system does not answer", "machine", c.Subject, "kind", d.Kind, "reason", diagnose.Sentence(d))
}
