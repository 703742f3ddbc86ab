package recorder

import (
	"log/slog"
	"sync"
	"time"
)

// Bounds on what is kept, so that neither a flood of strangers nor one machine
// in a crash loop can fill memory.
const (
	maxSubjects = 4096 // the one silent for longest goes first
	maxBoots    = 10   // per subject
	maxEvents   = 200  // per boot: the first ones and the newest are the ones that tell
)

// Recorder files events under their boots. Its methods may be called from any
// goroutine.
type Recorder struct {
	log *slog.Logger

	mu       sync.Mutex
	journal  *journal // nil: memory only
	subjects map[string]*subject
	watchers map[chan Event]struct{}

	complained time.Time // when the journal's trouble was last logged
}

type subject struct {
	boots    []*Boot // oldest first
	last     time.Time
	stranger bool
}

// New returns a recorder that keeps its timelines in memory only.
func New(log *slog.Logger) *Recorder {
	return &Recorder{log: log, subjects: map[string]*subject{}, watchers: map[chan Event]struct{}{}}
}

// Open returns a recorder that keeps its timelines in dir too, with those of
// earlier runs already in it.
func Open(dir string, log *slog.Logger) (*Recorder, error) {
	r := New(log)
	j, err := openJournal(dir, r.file)
	if err != nil {
		return nil, err
	}
	r.journal = j
	return r, nil
}

// Close ends the recorder's use of its folder.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal == nil {
		return nil
	}
	err := r.journal.close()
	r.journal = nil
	return err
}

// Add files e, giving it the present time if it has none, and passes it to
// every watcher. A watcher that does not keep up misses events.
func (r *Recorder) Add(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Level == "" {
		e.Level = Info
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file(e)
	if r.journal != nil {
		if err := r.journal.append(e); err != nil && e.Time.Sub(r.complained) > time.Minute {
			r.complained = e.Time
			r.log.Error("boot timelines are not written to disk", "err", err)
		}
	}
	for w := range r.watchers {
		select {
		case w <- e:
		default:
		}
	}
}

// file puts e into its boot. The caller holds mu, or is alone.
func (r *Recorder) file(e Event) {
	s := r.subjects[e.Subject()]
	if s == nil {
		r.makeRoom()
		s = &subject{stranger: e.Machine == ""}
		r.subjects[e.Subject()] = s
	}
	s.last = e.Time
	b := s.boot(e)
	b.conclude(e)
	if e.Stage.After(b.Stage) {
		b.Stage = e.Stage
		b.Stages = append(b.Stages, StageTime{Stage: e.Stage, At: e.Time})
	}
	if b.MAC == "" {
		b.MAC = e.MAC
	}
	if len(b.Events) == maxEvents {
		keep := maxEvents / 2
		b.Events = append(b.Events[:keep], b.Events[keep+1:]...)
		b.Dropped++
	}
	b.Events = append(b.Events, e)
}

// boot finds the boot e belongs to, or starts it. An event without a boot id
// joins the newest boot.
func (s *subject) boot(e Event) *Boot {
	for i := len(s.boots) - 1; i >= 0; i-- {
		if e.Boot == "" || s.boots[i].ID == e.Boot {
			return s.boots[i]
		}
	}
	if len(s.boots) == maxBoots {
		s.boots = append(s.boots[:0], s.boots[1:]...)
	}
	if n := len(s.boots); n > 0 && s.boots[n-1].Outcome == "" && s.boots[n-1].ID != "" {
		s.boots[n-1].end(OutcomeReplaced, e.Time)
	}
	b := &Boot{ID: e.Boot, Machine: e.Machine, MAC: e.MAC, Started: e.Time}
	s.boots = append(s.boots, b)
	return b
}

// makeRoom forgets the subject that has been silent for longest, strangers
// before machines: anybody can make up strangers.
func (r *Recorder) makeRoom() {
	if len(r.subjects) < maxSubjects {
		return
	}
	var goes string
	for name, s := range r.subjects {
		g := r.subjects[goes]
		if g == nil || s.stranger && !g.stranger || s.stranger == g.stranger && s.last.Before(g.last) {
			goes = name
		}
	}
	delete(r.subjects, goes)
}

// Boots returns copies of the last boots of a subject (a machine's name, or
// the MAC of an unknown one), newest first.
func (r *Recorder) Boots(name string) []Boot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subjects[name]
	if s == nil {
		return nil
	}
	boots, now := make([]Boot, 0, len(s.boots)), time.Now()
	for i := len(s.boots) - 1; i >= 0; i-- {
		b := *s.boots[i]
		b.Events = append([]Event(nil), b.Events...)
		b.Stages = s.boots[i].timed(s.boots[:i], now)
		boots = append(boots, b)
	}
	return boots
}

// Watch returns a channel of all events from now on, and the function that
// ends the watch and closes the channel.
func (r *Recorder) Watch() (events <-chan Event, stop func()) {
	c := make(chan Event, 256)
	r.mu.Lock()
	r.watchers[c] = struct{}{}
	r.mu.Unlock()
	var once sync.Once
	return c, func() {
		once.Do(func() {
			r.mu.Lock()
			delete(r.watchers, c)
			r.mu.Unlock()
			close(c)
		})
	}
}
