package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// interrupted is a boot that was under way when the server was last stopped. What
// was seen of it is gone; what is on record says whether it goes on.
type interrupted struct {
	recorder.Boot
	patience time.Duration
	life     time.Time
	was      time.Time // when it was last heard of before
	moved    Moved
}

// resumeEvery is how often Resume looks.
const resumeEvery = time.Second

// Resume looks after the boots that were under way when the server was last
// stopped, until each has gone on, been replaced or been given up.
func (s *Service) Resume(ctx context.Context) error {
	var all []*interrupted
	now := time.Now()
	for _, b := range s.Recorder.Latest() {
		if b.Outcome == "" && b.ID != "" && b.Stage != "" {
			all = append(all, &interrupted{Boot: b, patience: s.Patience(b.Stage, s.Recorder.Usual(subjectOf(b), b.Stage)), life: now, was: b.Last})
		}
	}
	tick := time.NewTicker(s.resumeEvery)
	defer tick.Stop()
	for len(all) > 0 {
		select {
		case <-ctx.Done():
			return nil
		case now = <-tick.C:
		}
		var left []*interrupted
		for _, i := range all {
			if s.goesOn(ctx, i, now) {
				left = append(left, i)
			}
		}
		all = left
	}
	return nil
}

func subjectOf(b recorder.Boot) string {
	if b.Machine != "" {
		return b.Machine
	}
	return b.MAC
}

// goesOn reports whether i is still to be looked after.
func (s *Service) goesOn(ctx context.Context, i *interrupted, now time.Time) bool {
	subject := subjectOf(i.Boot)
	b, ok := s.Recorder.Newest(subject)
	if !ok || b.ID != i.ID || b.Outcome != "" {
		return false
	}
	if m := s.moved(i.ID); m != i.moved || !b.Last.Equal(i.Last) {
		i.moved, i.Last, i.life = m, b.Last, now
	}
	if i.patience == 0 || now.Sub(i.life) < i.patience {
		return true
	}
	c := diagnose.Case{Subject: subject, MAC: b.MAC, Known: b.Machine != "", Stage: b.Stage, Silent: now.Sub(i.life), Restarted: true, Away: s.started.Sub(i.was)}
	c.Disk.Image = b.Image
	s.known(ctx, &c)
	s.conclude(recorder.Event{Boot: b.ID, Machine: b.Machine, MAC: b.MAC}, c, diagnose.Diagnose(c))
	return false
}
