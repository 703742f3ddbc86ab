package recorder

import "time"

// Outcome is how a boot ended; empty as long as it is under way.
type Outcome string

const (
	OutcomeRunning  Outcome = "running"  // its system runs
	OutcomeStalled  Outcome = "stalled"  // it stopped on its way; Boot.Diagnosis says why
	OutcomeReplaced Outcome = "replaced" // the machine began another boot before this one ran
	OutcomeRefused  Outcome = "refused"  // the machine was told that there is no boot for it
)

// Diagnosis is why a boot stalled.
type Diagnosis struct {
	Kind     string   `json:"kind"`     // a word for scripts and metrics; package diagnose has the list
	Summary  string   `json:"summary"`  // one sentence: what stopped, where, since when
	Evidence []string `json:"evidence"` // what was seen, each a short sentence
	Causes   []Cause  `json:"causes"`   // the likeliest first
	// Lasting is of what is wrong though the system runs.
	Lasting bool `json:"lasting,omitempty"`
}

// Certain reports whether the summary is the cause, and there is no other.
func (d Diagnosis) Certain() bool { return len(d.Causes) == 1 && d.Causes[0].Text == d.Summary }

// Cause is something that would explain what was seen.
type Cause struct {
	Text   string `json:"text"`
	Remedy string `json:"remedy"` // words that can be typed or done
}

// ShortRun is how long a system must run to count as one that runs: one that
// crashes soon has often written to its disk before.
const ShortRun = 3 * time.Minute

// Ran is a boot whose system has run for a while.
type Ran struct {
	Image string    `json:"image"`
	At    time.Time `json:"at"` // when it began
}

// lastRan is what has run before a boot that follows b.
func (b *Boot) lastRan(begins time.Time) *Ran {
	if b.Outcome == OutcomeRunning && begins.Sub(b.Ended) >= ShortRun && b.Image != "" {
		return &Ran{b.Image, b.Started}
	}
	return b.LastRan
}

// failed is the kind of b's diagnosis, if the machine then began anew by itself or
// by a person who waits for it.
func (b *Boot) failed(anew time.Time) string {
	if b.Diagnosis == nil || b.Outcome == OutcomeRunning || anew.Sub(b.Last) > retried {
		return ""
	}
	return b.Diagnosis.Kind
}

// retried is how soon a boot that follows another is the next try.
const retried = 10 * time.Minute

// conclude gives b the outcome that e brings, and reports whether it brings one.
func (b *Boot) conclude(e Event) bool {
	switch {
	case e.Diagnosis != nil:
		b.Diagnosis = e.Diagnosis
	case b.Diagnosis != nil && b.Diagnosis.Kind == e.Resolved && b.Outcome != OutcomeStalled:
		b.Diagnosis = nil
	}
	switch {
	case e.Outcome != "":
		b.end(e.Outcome, e.Time)
	case e.Stage == StageRunning && b.Outcome != OutcomeRunning:
		b.end(OutcomeRunning, e.Time)
	case e.Stage.After(b.Stage) && b.Outcome == OutcomeStalled: // it went on after all
		b.end("", time.Time{})
		return false
	default:
		return false
	}
	return true
}

func (b *Boot) end(o Outcome, at time.Time) {
	b.Outcome, b.Ended = o, at
	if (o == OutcomeRunning || o == "") && b.Diagnosis != nil && !b.Diagnosis.Lasting {
		b.Diagnosis = nil
	}
}
