package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// shortest is how long a system runs that is not counted as one that crashed.
const shortest = 2 * time.Minute

// past adds to c what the earlier boots of its machine tell, and those of others.
func (s *Service) past(c *diagnose.Case, earlier []recorder.Boot) {
	p := &c.Past
	inARow := true
	for _, b := range earlier {
		ran, short := ranAt(b)
		if inARow = inARow && alike(b, c.Stage, ran); inARow {
			p.Failed++
			if short {
				p.Short++
			}
			continue
		}
		if ran && !short && p.LastRan == "" {
			p.LastRan, p.LastAt = b.Image, b.Started
		}
	}
	p.Tag = c.Disk.Ref != c.Disk.Image
	for _, b := range s.Recorder.Latest() {
		if b.Machine != "" && b.Machine != c.Subject && b.Image == c.Disk.Image && b.Outcome == recorder.OutcomeRunning {
			p.Elsewhere++
		}
	}
}

// ranAt reports whether the system of an earlier boot ran, and whether it did so
// for a short time only: one that crashes may have written before.
func ranAt(b recorder.Boot) (ran, short bool) {
	ran = b.Outcome == recorder.OutcomeRunning
	return ran, ran && b.Last.Sub(b.Ended) < shortest
}

// alike reports whether an earlier boot failed as one did that came as far as st.
func alike(b recorder.Boot, st recorder.Stage, ran bool) bool {
	if ran {
		_, short := ranAt(b)
		return short && st.After(recorder.StageRead)
	}
	return b.Outcome != "" && b.Stage == st
}

// before are the boots of a machine before the one named, newest first.
func (s *Service) before(subject, id string) []recorder.Boot {
	boots := s.Recorder.Boots(subject)
	for i, b := range boots {
		if b.ID == id {
			return boots[i+1:]
		}
	}
	return boots
}

// loops warns at the beginning of a's boot that those before it failed alike.
func (s *Service) loops(ctx context.Context, a *attempt) {
	earlier := s.before(a.subject, a.id)
	if len(earlier) < diagnose.LoopBoots || !earlier[0].Stage.After(recorder.StageLogin) {
		return
	}
	c := diagnose.Case{Subject: a.subject, Known: true, Stage: earlier[0].Stage}
	c.Disk.Image = earlier[0].Image
	s.known(ctx, &c)
	s.past(&c, earlier)
	if c.Past.Failed < diagnose.LoopBoots {
		return
	}
	d := diagnose.Diagnose(c)
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	s.Log.Warn("machine is in a loop", "machine", a.subject, "stage", string(c.Stage), "kind", d.Kind, "reason", diagnose.Sentence(d))
}
