package boot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// before are the boots before a's, the newest first. Timelines of static credentials
// are none: their initiators log in as often as they like, and start nothing.
func (s *Service) before(a *attempt) []recorder.Boot {
	return slices.DeleteFunc(s.Recorder.Before(a.subject, a.id), func(b recorder.Boot) bool {
		return strings.HasPrefix(b.ID, inventory.StaticUser(a.subject)+"-")
	})
}

// past adds to c what the earlier boots of its machine tell, and those of others.
func (s *Service) past(c *diagnose.Case, earlier []recorder.Boot) {
	p := &c.Past
	this, _ := s.Recorder.Newest(c.Subject)
	if this.LastRan != nil {
		p.LastRan, p.LastAt = this.LastRan.Image, this.LastRan.At
	}
	inARow, next := true, this.Started
	for _, b := range earlier {
		ran := next.Sub(b.Ended)
		short := b.Outcome == recorder.OutcomeRunning && ran < recorder.ShortRun
		next = b.Started
		if inARow = inARow && alike(b, c.Stage, short); inARow {
			p.Failed++
		}
		if inARow && short {
			if p.Short++; p.Short == 1 {
				p.Ran = ran
			}
		}
	}
	p.Tag = c.Disk.Ref != c.Disk.Image
	if c.Disk.Image != "" && (!c.Begins || p.Failed >= diagnose.LoopBoots) {
		p.Elsewhere = s.Recorder.Running(c.Disk.Image, c.Subject)
	}
}

// alike reports whether an earlier boot failed as one did that came as far as st.
// Once a system has come, it is chance whether it wrote before it crashed.
func alike(b recorder.Boot, st recorder.Stage, short bool) bool {
	if st.After(recorder.StageRead) && b.Stage.After(recorder.StageRead) {
		return short || b.Outcome != "" && b.Outcome != recorder.OutcomeRunning
	}
	return b.Outcome != "" && b.Stage == st
}

// loops warns at the beginning of a's boot that those before it failed alike.
func (s *Service) loops(ctx context.Context, a *attempt) {
	earlier := s.before(a)
	if s.circles(ctx, a, earlier) {
		return
	}
	if len(earlier) < diagnose.LoopBoots {
		return
	}
	c := diagnose.Case{Subject: a.subject, Known: true, Begins: true, Stage: earlier[0].Stage}
	c.Disk.Image = earlier[0].Image
	s.attempts.with(a, func() {
		c.Disk.Contents = a.seen.Disk.Contents
		if n := len(a.cycles); n > 0 {
			c.Past.LoggedOut = a.cycles[n-1].loggedOut
		}
	})
	s.known(ctx, &c)
	s.past(&c, earlier)
	if c.Past.Failed < diagnose.LoopBoots {
		return
	}
	d := diagnose.Diagnose(c)
	switch last := earlier[0]; {
	case last.Diagnosis != nil && last.Diagnosis.Kind != diagnose.SystemGone:
		s.say(a, recorder.Event{Level: recorder.Warn, Text: fmt.Sprintf("the %d boots before it came as far as %s; the last: %s", c.Past.Failed, c.Stage, diagnose.Sentence(*last.Diagnosis))})
		return
	case d.Kind != diagnose.CrashLoop: // nothing is seen yet of this boot that another kind could go by
		return
	}
	s.looping(a, c, d)
}
