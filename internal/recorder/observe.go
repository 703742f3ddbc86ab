package recorder

import "time"

// Observer is told, while the recorder is locked, what it counts. It must not
// wait, nor call the recorder. What was read from files is not told.
type Observer interface {
	BootEnded(b *Boot)
	StageLeft(st Stage, took time.Duration)
}

// Observe has o told from now on.
func (r *Recorder) Observe(o Observer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observer = o
}

// observe tells the observer of e, which has been filed and has ended boots.
func (r *Recorder) observe(e Event, ended []*kept) {
	if r.observer == nil {
		return
	}
	stages := r.subjects[e.Subject()].find(e).Stages
	if n := len(stages); n > 1 && stages[n-1].Stage == e.Stage && (stages[n-1].At.Equal(e.Time) || stages[n-1].At.Equal(e.Since)) {
		r.observer.StageLeft(stages[n-2].Stage, stages[n-1].At.Sub(stages[n-2].At))
	}
	for _, k := range ended {
		r.observer.BootEnded(&k.Boot)
	}
}
