package boot

import (
	"context"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// A boot that stands still is diagnosed. Each attempt has one timer, and whatever
// shows that its machine lives sets it anew. When it fires, the machine has been
// silent for longer than its stage may take.
//
// Before the disk is open, a machine that only repeats itself does not get on
// either: twice the patience of its stage is all that it has there, whatever it
// sends. After that its reads and writes are signs of life, which nobody reports:
// they are looked for from time to time.

// looks is into how many pieces the patience is cut where I/O is looked for.
const looks = 4

// slowest is how long a loader may be on its way.
const slowest = 5 * time.Minute

// between is how long iPXE may be without a session: under BIOS it closes its first
// one when it has looked at the disk, and opens another within a second.
const between = 10 * time.Second

// watch is the timer of an attempt.
type watch struct {
	timer    *time.Timer
	stage    recorder.Stage // that the rest is of
	patience time.Duration  // 0: for ever
	reached  time.Time
	life     time.Time      // the last sign of it
	moved    Moved          // at the last look
	told     string         // kind of the diagnosis that was told of this stage
	early    recorder.Stage // at which its disk was looked into before the patience was over

	due  due
	left time.Time // iPXE closed its session; zero: it has another, or that was looked at

	gait  gait
	lossy bool // that was told
	lull  lull
}

// due is why a boot is to be looked at.
type due struct {
	settle  bool // what was seen may explain a stop by itself
	failing bool // the disk has failed
	losing  bool // the system has lost its disk several times
	lossy   bool // a command of its system's waited long for the network
	silent  bool // its system has fallen silent
	inside  bool // the disk is to be looked into
	early   bool // likewise, because it has been quiet for a while
	lull    bool // likewise, all of it, because its system has begun to run, and reads nothing
	over    bool // its patience is over
}

// Moved is what a boot has moved through its sessions, and which it has.
type Moved struct {
	Reads, Writes    uint64
	Read, Written    int64 // bytes
	Firmware, System bool  // iPXE, or the system, has one
	Unacknowledged   int   // bytes that were sent to it, and that its TCP has not acknowledged
}

// until is when nothing more is waited for.
func (w *watch) until(waits bool) time.Time {
	quiet, stuck := w.life.Add(w.patience), w.reached.Add(2*w.patience)
	if w.told == "" && !waits && recorder.StageLogin.After(w.stage) && stuck.Before(quiet) {
		return stuck
	}
	return quiet
}

// alive notes a sign of life of a's machine, which may be nil.
func (s *Service) alive(a *attempt) {
	if a == nil {
		return
	}
	var st recorder.Stage
	var came bool
	s.attempts.with(a, func() { st, came = a.stage, a.stage != a.watch.stage })
	var patience time.Duration
	if came {
		patience = s.Patience(st, s.Recorder.Usual(a.subject, st))
	}
	now := time.Now()
	s.attempts.with(a, func() {
		if came {
			a.watch.stage, a.watch.patience, a.watch.reached, a.watch.told = st, patience, now, ""
			a.watch.due.inside = a.watch.due.inside || st == recorder.StageRunning && s.Contents != nil
		}
		a.watch.life = now
		s.arm(a, now)
	})
}

// arm sets a's timer. The caller holds the attempts' mu.
func (s *Service) arm(a *attempt, now time.Time) {
	w := &a.watch
	if w.due != (due{}) {
		s.wake(a, 0)
		return
	}
	if s.lulls(a) && !a.timed() {
		s.wake(a, s.hush/2)
		return
	}
	if !a.timed() || s.attempts.closed || s.attempts.m[a.subject] != a {
		a.stopTimer()
		return
	}
	wait := w.until(a.waits(now)).Sub(now)
	if !recorder.StageLogin.After(w.stage) {
		wait = min(wait, w.patience/looks)
	}
	if a.glanced(now) {
		wait = min(wait, glance)
	}
	if s.hushes(w) {
		wait = min(wait, w.life.Add(s.hush).Sub(now))
	}
	if !w.left.IsZero() {
		wait = min(wait, w.left.Add(s.between).Sub(now))
	}
	s.wake(a, wait)
}

// wake has a looked at after a while. The caller holds the attempts' mu.
func (s *Service) wake(a *attempt, after time.Duration) {
	switch w := &a.watch; {
	case s.attempts.closed || s.attempts.m[a.subject] != a:
	case w.timer == nil:
		w.timer = time.AfterFunc(after, func() { s.look(a) })
	default:
		w.timer.Reset(after)
	}
}

// timed reports whether a's silence means anything. That of a system that runs
// does if it is gone soon after it came: of one that has run for longer nobody
// can tell why it was switched off.
func (a *attempt) timed() bool {
	y := a.seen.System
	return a.watch.patience > 0 && (a.stage != recorder.StageRunning || y.Ended != "" && !y.LoggedOut && y.Lasted < recorder.ShortRun)
}

// look is a's timer: it diagnoses a boot that stands still.
func (s *Service) look(a *attempt) {
	if !s.attempts.beginLook() {
		return
	}
	defer s.attempts.looking.Done()
	ctx, now := context.Background(), time.Now()
	why := s.reasons(a, s.moved(a.id), now)
	s.slow(ctx, a, now)
	if why.losing {
		s.loses(ctx, a, now)
	}
	if why.lossy {
		s.lossy(ctx, a, now)
	}
	if why.silent {
		s.silent(ctx, a, now)
	}
	if why.inside || why.lull {
		s.inside(ctx, a, !why.lull)
	}
	if why.settle || why.failing {
		s.settled(ctx, a, now, why.failing)
	}
	if why.early {
		s.early(ctx, a, now)
	}
	if why.over {
		s.stalled(ctx, a, now)
	}
}

// reasons are why a is looked at now; its timer is set anew, unless its patience is
// over.
func (s *Service) reasons(a *attempt, moved Moved, now time.Time) (why due) {
	s.attempts.with(a, func() {
		w := &a.watch
		why, w.due = w.due, due{}
		if !w.left.IsZero() && now.Sub(w.left) >= s.between {
			why.settle, w.left, a.seen.System.GaveUp = true, time.Time{}, true
		}
		if a.sending(now) {
			w.life = now
		}
		if moved != w.moved {
			w.moved = moved
			if !a.seen.System.Deaf { // else it is the session's end that moved
				w.life = now
			}
		}
		why.lull = s.lulled(a, moved, now)
		if why.over = a.timed() && !w.until(a.waits(now)).After(now); !why.over {
			why.early = s.hushed(w, now)
			s.arm(a, now)
		}
	})
	return why
}

// sending reports whether a file is on its way to a: its transfer's end will tell
// more than its silence.
func (a *attempt) sending(now time.Time) bool {
	return a.seen.Loader.Asked != "" && now.Sub(a.fetching) < slowest
}

// waits reports whether a has a reason to come no further.
func (a *attempt) waits(now time.Time) bool { return a.seen.Script.Waiting || a.sending(now) }

func (s *Service) moved(boot string) Moved {
	if s.Moved == nil {
		return Moved{}
	}
	return s.Moved(boot)
}

// stalled tells why a has stopped, unless that was told of it at this stage.
func (s *Service) stalled(ctx context.Context, a *attempt, now time.Time) {
	s.ask(s.open, a)
	if s.lookInto(s.open, a, false); s.open.Err() != nil {
		return
	}
	s.stopped(ctx, a, now)
}

// stopped is stalled where all was looked at.
func (s *Service) stopped(ctx context.Context, a *attempt, now time.Time) {
	c := s.caseOf(ctx, a, now)
	d := diagnose.Diagnose(c)
	news := false
	s.attempts.with(a, func() {
		news = s.attempts.m[a.subject] == a && a.stage == c.Stage && a.watch.told != d.Kind
		a.watch.told = d.Kind
	})
	if news {
		s.conclude(s.eventOf(a), c, d)
		s.suspect(a, c)
	}
}

// settle has a looked at: what was seen may explain a stop by itself. It is done
// by the timer, since those who saw it hold locks of theirs.
func (s *Service) settle(a *attempt, what *bool) {
	s.attempts.with(a, func() {
		*what = true
		s.wake(a, 0)
	})
}

// settled tells at once what there is no doubt of.
func (s *Service) settled(ctx context.Context, a *attempt, now time.Time, failing bool) {
	c := s.caseOf(ctx, a, now)
	switch {
	case failing:
		d := diagnose.Diagnose(c)
		s.say(a, recorder.Event{Level: recorder.Error, Text: diagnose.Sentence(d), Diagnosis: &d})
	case diagnose.Conclusive(c):
		s.stalled(ctx, a, now)
	case diagnose.Absent(c) != "":
		s.sayOnce(a, recorder.Event{Text: diagnose.Absent(c), Resolved: diagnose.SystemSilent})
	}
}

// replaced tells why a boot stopped that another one is about to follow, if it
// shows that.
func (s *Service) replaced(ctx context.Context, a *attempt) {
	told := ""
	s.attempts.with(a, func() { told = a.watch.told })
	c := s.caseOf(ctx, a, time.Now())
	if told == "" && (diagnose.Telling(c) || diagnose.Conclusive(c)) {
		d := diagnose.Diagnose(c)
		s.conclude(s.eventOf(a), c, d)
		if d.Kind != diagnose.NoSystemLogin { // which a loop explains better
			told = d.Kind
		}
	}
	if c.Past.Failed >= suspects {
		s.suspect(a, c)
	}
	s.cycled(a, told != "")
}

// conclude records a diagnosis under the boot of e.
func (s *Service) conclude(e recorder.Event, c diagnose.Case, d recorder.Diagnosis) {
	e.Level, e.Outcome, e.Diagnosis, e.Text = recorder.Warn, recorder.OutcomeStalled, &d, diagnose.Sentence(d)
	if c.Stage == recorder.StageRunning && c.System.Lasted >= recorder.ShortRun {
		e.Outcome = "" // it ran
	}
	if d.Kind == diagnose.UnknownMachine || d.Kind == diagnose.NoLoader {
		e.Outcome = recorder.OutcomeRefused
	} else if c.Known { // anybody can make up strangers
		s.Log.Warn("boot has stopped", "machine", c.Subject, "stage", string(c.Stage), "kind", d.Kind, "reason", e.Text)
	}
	s.Recorder.Add(e)
}
