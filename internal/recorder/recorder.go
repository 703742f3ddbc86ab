package recorder

import (
	"container/list"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds on what is kept, beside those of package crowd, so that one machine in a
// crash loop cannot fill memory.
const (
	maxBoots  = 16      // of a machine
	maxTries  = 4       // of a stranger
	maxEvents = 200     // per boot: the first ones and the newest are the ones that tell
	maxInAll  = 200_000 // events: the oldest boots go on without theirs
)

// Recorder files events under their boots. Its methods may be called from any
// goroutine.
type Recorder struct {
	log *slog.Logger

	mu        sync.Mutex
	files     *files // nil: memory only
	subjects  map[string]*subject
	strangers int // among subjects
	watchers  map[chan Event]struct{}
	observer  Observer // may be nil

	events int       // in all boots
	eldest list.List // of *kept: boots with events, by when they began
}

// New returns a recorder that keeps its timelines in memory only.
func New(log *slog.Logger) *Recorder {
	return &Recorder{log: log, subjects: map[string]*subject{}, watchers: map[chan Event]struct{}{}}
}

// Open returns a recorder that keeps its timelines in dir too, with those of
// earlier runs already in it.
func Open(dir string, log *slog.Logger) (*Recorder, error) {
	r := New(log)
	f, err := r.openFiles(dir)
	if err != nil {
		return nil, err
	}
	r.files = f
	for _, s := range r.subjects {
		for _, k := range s.boots {
			k.settled = time.Time{}
		}
	}
	return r, nil
}

// Close ends the recorder's use of its folder.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files == nil {
		return nil
	}
	for _, s := range r.subjects {
		if k := s.newest(); k != nil && k.Outcome == "" {
			r.keep(k)
		}
	}
	err := r.files.close()
	r.files = nil
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
	ended := r.file(e)
	r.observe(e, ended)
	r.keep(ended...)
	r.tell(e)
}

// tell writes e down and passes it to every watcher.
func (r *Recorder) tell(e Event) {
	if r.files != nil {
		r.complain(r.files.events.append(e))
	}
	for w := range r.watchers {
		select {
		case w <- e:
		default:
		}
	}
}

// file puts e into its boot, and returns the boots that it has ended. The caller
// holds mu, or is alone.
func (r *Recorder) file(e Event) (ended []*kept) {
	s := r.subject(e)
	k := s.find(e)
	if k == nil {
		if last := s.newest(); last.replaced(e.Time) {
			ended = append(ended, last)
		}
		k = r.begin(s, e)
	}
	if e.Time.After(k.settled) && k.count(e) {
		ended = append(ended, k)
	}
	r.addEvent(k, e)
	return ended
}

// count takes over what e says of its boot, and reports whether that ends it.
func (k *kept) count(e Event) (over bool) {
	over = k.conclude(e)
	if e.Stage.After(k.Stage) {
		k.Stage = e.Stage
		k.Stages = append(k.Stages, StageTime{Stage: e.Stage, At: k.reached(e)})
	}
	if k.MAC == "" {
		k.MAC = e.MAC
	}
	if image := e.Attrs["image"]; image != "" {
		k.Image = image
	}
	k.Last = e.Time
	return over
}

// reached is when k came to the stage that e brings: not before the stage it was at.
func (k *kept) reached(e Event) time.Time {
	from := k.Started
	if n := len(k.Stages); n > 0 {
		from = k.Stages[n-1].At
	}
	if e.Since.IsZero() || e.Since.After(e.Time) || e.Since.Before(from) {
		return e.Time
	}
	return e.Since
}

// addEvent puts e into k, and takes the events of other boots out if there are
// too many.
func (r *Recorder) addEvent(k *kept, e Event) {
	if k.place == nil {
		k.place = r.eldest.PushBack(k)
	}
	if len(k.Events) == maxEvents {
		keep := maxEvents / 2
		k.Events = append(k.Events[:keep], k.Events[keep+1:]...)
		k.Dropped++
		r.events--
	}
	k.Events = append(k.Events, e)
	r.events++
	for r.events > maxInAll {
		r.strip(r.eldest.Front().Value.(*kept))
	}
}

// strip takes k's events out.
func (r *Recorder) strip(k *kept) {
	if k.place == nil {
		return
	}
	r.eldest.Remove(k.place)
	r.events -= len(k.Events)
	k.Dropped += len(k.Events)
	k.Events, k.place = nil, nil
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
		b := s.boots[i].Boot
		b.Events = append([]Event{}, b.Events...)
		b.Stages = b.timed(s.boots[:i], now)
		boots = append(boots, b)
	}
	if len(boots) > 0 {
		r.beside(name, &boots[0])
	}
	return boots
}

// Newest returns a subject's newest boot with no more than its last event.
func (r *Recorder) Newest(name string) (b Boot, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subjects[name]
	if s == nil || len(s.boots) == 0 {
		return Boot{}, false
	}
	return s.glance(time.Now()), true
}

// Before returns a subject's boots before the one named, newest first, without
// their events and how long their stages took.
func (r *Recorder) Before(name, id string) (boots []Boot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subjects[name]
	if s == nil {
		return nil
	}
	for _, k := range slices.Backward(s.boots) {
		b := k.Boot
		b.Events, b.Stages = nil, nil
		if b.ID == id {
			boots = nil // newer ones
			continue
		}
		boots = append(boots, b)
	}
	return boots
}

// Running counts the machines, but for one, whose newest boot runs an image.
func (r *Recorder) Running(image, but string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range r.subjects {
		if b := s.newest(); name != but && b != nil && b.Image == image && b.Outcome == OutcomeRunning {
			n++
		}
	}
	return n
}

// UnderWay counts the machines whose newest boot has neither ended nor stalled, by
// the stage that it has reached, and those whose newest boot stalled.
func (r *Recorder) UnderWay() (byStage map[Stage]int, stalled int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	byStage = map[Stage]int{}
	for _, s := range r.subjects {
		switch b := s.newest(); {
		case b == nil || b.Machine == "":
		case b.Outcome == OutcomeStalled:
			stalled++
		case b.Outcome == "" && b.Stage != "":
			byStage[b.Stage]++
		}
	}
	return byStage, stalled
}

// Latest returns the newest boot of every subject with no more than its last
// event, in no order. It lets others in between: of 10,000 it takes a while.
func (r *Recorder) Latest() []Boot {
	r.mu.Lock()
	names := slices.Collect(maps.Keys(r.subjects))
	r.mu.Unlock()
	all := make([]Boot, 0, len(names))
	for _, name := range names {
		if b, ok := r.Newest(name); ok {
			all = append(all, b)
		}
	}
	return all
}

// glance is the newest boot with no more than its last event.
func (s *subject) glance(now time.Time) Boot {
	b := s.newest().Boot
	b.Events = append([]Event{}, b.Events[max(len(b.Events)-1, 0):]...)
	before := s.boots[:len(s.boots)-1]
	b.Stages = b.timed(before, now)
	if len(before) > 0 && b.Outcome == "" && b.Diagnosis == nil {
		b.Before = before[len(before)-1].failed(b.Started)
	}
	return b
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
