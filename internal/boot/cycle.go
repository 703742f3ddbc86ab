package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// A computer that is reset by a watchdog, or whose kernel panics and restarts it,
// breaks off at the same point each time. People do not: two boots of theirs are
// not equally long, and have not read as much.

// maxCycles are those that are remembered of a machine.
const maxCycles = 16

// longestCycle is the longest boot that may be one of a loop.
const longestCycle = 15 * time.Minute

// cycle is a boot that another one has followed.
type cycle struct {
	stage     recorder.Stage
	began     time.Time
	lasted    time.Duration // until the next began
	quiet     time.Duration // since it was last heard of by its session; 0: not known
	system    time.Duration // since its system opened the disk; 0: it had not
	read      int64         // bytes
	loggedOut bool          // its system had, as it does when it is shut down
	explained bool          // so, or it was told why it stopped
}

// cycled notes how a has gone, which another boot is about to follow, and whether
// it was told why it stopped.
func (s *Service) cycled(a *attempt, told bool) {
	m, now := s.moved(a.id), s.now()
	var p diagnose.Pace
	if s.Pace != nil {
		p = s.Pace(a.id)
	}
	s.attempts.with(a, func() {
		a.end = cycle{stage: a.stage, began: a.opened, lasted: now.Sub(a.opened), quiet: p.Quiet, read: m.Read,
			loggedOut: a.seen.System.LoggedOut, explained: told || a.seen.System.LoggedOut}
		if !a.systemAt.IsZero() {
			a.end.system = now.Sub(a.systemAt)
		}
	})
}

// after is the cycles of a boot that follows a.
func (a *attempt) after() []cycle {
	all := append(a.cycles[:len(a.cycles):len(a.cycles)], a.end)
	return all[max(len(all)-maxCycles, 0):]
}

// like reports whether two boots broke off at the same point.
func (c cycle) like(o cycle) bool {
	inSystem := c.stage.After(recorder.StageRead)
	return !c.explained && !o.explained && c.stage.After(recorder.StageLogin) && inSystem == o.stage.After(recorder.StageRead) &&
		c.lasted < longestCycle && c.near(o) && near(c.read, o.read, 1<<20)
}

// near reports whether two boots lasted as long, since their systems came if they
// had: what counts then begins there, and loaders take their time.
func (c cycle) near(o cycle) bool {
	if c.system > 0 && o.system > 0 && near(c.system, o.system, 3*time.Second) {
		return true
	}
	return near(c.lasted, o.lasted, 3*time.Second)
}

// near reports whether two amounts differ by a tenth at most, or by little.
func near[N time.Duration | int64](a, b, little N) bool {
	return max(a-b, b-a) <= max(max(a, b)/10, little)
}

// loop is how often boots like the last one have followed each other until now.
func loop(cycles []cycle, now time.Time) (l diagnose.Loop) {
	if len(cycles) == 0 {
		return l
	}
	last := cycles[len(cycles)-1]
	for i := len(cycles) - 1; i >= 0 && cycles[i].like(last); i-- {
		l.Starts, l.Within = len(cycles)-i+1, now.Sub(cycles[i].began)
	}
	l.Lasted, l.Quiet, l.System, l.Read = last.lasted, last.quiet, last.system, last.read
	return l
}

// circles tells at the beginning of a's boot that it begins again and again, and
// reports whether it does.
func (s *Service) circles(ctx context.Context, a *attempt, earlier []recorder.Boot) bool {
	l := loop(a.cycles, s.now())
	if l.Starts < diagnose.LoopStarts || len(earlier) == 0 {
		return false
	}
	c := diagnose.Case{Subject: a.subject, MAC: a.mac, Known: true, Begins: true, Stage: a.cycles[len(a.cycles)-1].stage, Loop: l}
	c.Disk.Image, c.Disk.Read = earlier[0].Image, l.Read
	s.attempts.with(a, func() { c.Disk.Contents = a.seen.Disk.Contents })
	s.known(ctx, &c)
	s.past(&c, earlier)
	if c.Past.Elsewhere == 0 && c.Disk.Image != "" {
		c.Past.Elsewhere = s.Recorder.Running(c.Disk.Image, c.Subject)
	}
	s.looping(a, c, diagnose.Diagnose(c))
	return true
}

func (s *Service) looping(a *attempt, c diagnose.Case, d recorder.Diagnosis) {
	s.attempts.with(a, func() { a.loops = true })
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
	s.Log.Warn("machine is in a loop", "machine", a.subject, "stage", string(c.Stage), "kind", d.Kind, "reason", diagnose.Sentence(d))
}
