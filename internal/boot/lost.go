package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// losing is how soon a system must have lost its disk several times, so that it is
// one and the same trouble.
const losing = 30 * time.Minute

// reopens has b's system told of if it has lost its disk several times.
func (s *Service) reopens(b inventory.Boot) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	var again bool
	s.attempts.with(a, func() { again = a.reopened == diagnose.Reopens && s.now().Sub(a.systemAt) < losing })
	if again {
		s.settle(a, &a.watch.due.losing)
	}
}

func (s *Service) loses(ctx context.Context, a *attempt, now time.Time) {
	c := s.caseOf(ctx, a, now)
	s.attempts.with(a, func() { c.Reopened, c.LostBy, c.Going = a.reopened, a.lostBy, s.now().Sub(a.systemAt) })
	d := diagnose.Diagnose(c)
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	s.Log.Warn("system loses its disk", "machine", c.Subject, "kind", d.Kind, "reason", diagnose.Sentence(d))
}
