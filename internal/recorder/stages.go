package recorder

import (
	"slices"
	"time"
)

// StageTime is when a boot came to a stage, and how long it stayed there.
type StageTime struct {
	Stage Stage         `json:"stage"`
	At    time.Time     `json:"at"`
	Took  time.Duration `json:"took_ns"`            // until the next stage, the boot's end, or now
	Usual time.Duration `json:"usual_ns,omitempty"` // median of the subject's earlier boots; 0: too few
	Peers time.Duration `json:"peers_ns,omitempty"` // without Usual: that of boots of other machines with the same image
}

// Usual is how long earlier boots stayed in a stage before they came to the next.
type Usual struct {
	Boots   int // of which it is known
	Median  time.Duration
	Slowest time.Duration
}

// enough is how many earlier boots make a habit.
const enough = 2

// Usual returns how long the subject's boots have stayed in st, those of earlier
// runs of the server among them.
func (r *Recorder) Usual(subject string, st Stage) Usual {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subjects[subject]
	if s == nil {
		return Usual{}
	}
	return usual(s.boots, st)
}

// Peers is how long boots of other machines that have an image stayed in st.
func (r *Recorder) Peers(image string, st Stage, but string) Usual {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers(image, st, but)
}

// peers is Peers. mu is held.
func (r *Recorder) peers(image string, st Stage, but string) Usual {
	var boots []*kept
	for name, s := range r.subjects {
		for _, b := range s.boots {
			if name != but && b.Image == image {
				boots = append(boots, b)
			}
		}
	}
	return usual(boots, st)
}

func usual(boots []*kept, st Stage) Usual {
	var took []time.Duration
	for _, b := range boots {
		for i, t := range b.Stages {
			if t.Stage == st && i+1 < len(b.Stages) {
				took = append(took, b.Stages[i+1].At.Sub(t.At))
			}
		}
	}
	if len(took) == 0 {
		return Usual{}
	}
	slices.Sort(took)
	return Usual{Boots: len(took), Median: took[(len(took)-1)/2], Slowest: took[len(took)-1]}
}

// beside adds to the stages of a boot of which nothing is usual yet how long others
// took for those that its image decides. mu is held.
func (r *Recorder) beside(name string, b *Boot) {
	for i := range b.Stages {
		t := &b.Stages[i]
		if t.Usual > 0 || b.Image == "" || !t.Stage.After(StageScript) {
			continue
		}
		if u := r.peers(b.Image, t.Stage, name); u.Boots >= enough {
			t.Peers = u.Median
		}
	}
}

// timed returns b's stages with their durations, as seen at now by someone who
// knows the boots before it.
func (b *Boot) timed(before []*kept, now time.Time) []StageTime {
	stages := slices.Clone(b.Stages)
	for i := range stages {
		t := &stages[i]
		end := now
		switch {
		case i+1 < len(stages):
			end = stages[i+1].At
		case !b.Ended.IsZero():
			end = b.Ended
		}
		t.Took = max(end.Sub(t.At), 0)
		if u := usual(before, t.Stage); u.Boots >= enough {
			t.Usual = u.Median
		}
	}
	return stages
}
