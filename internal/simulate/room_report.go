package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"bootes.dev/internal/quantile"
	"bootes.dev/internal/recorder"
)

// RoomReport is what came of a room.
type RoomReport struct {
	Machines int           `json:"machines"`
	Booted   int           `json:"booted"`  // that went through all stages
	TookUS   int64         `json:"took_us"` // from the first that was switched on to the last that had booted
	Bytes    int64         `json:"bytes"`   // that were read
	Stages   []RoomStage   `json:"stages"`  // how long machines were in each
	Boot     RoomStage     `json:"boot"`    // how long all of it took
	Reads    RoomStage     `json:"reads"`   // how long single READs took
	Failures []RoomFailure `json:"failures"`
}

// RoomStage is how long something took, in microseconds: half of all no longer
// than P50US, 99 of 100 no longer than P99US.
type RoomStage struct {
	Stage recorder.Stage `json:"stage,omitempty"`
	Count int64          `json:"count"`
	P50US int64          `json:"p50_us"`
	P99US int64          `json:"p99_us"`
	MaxUS int64          `json:"max_us"`
}

// RoomFailure is a fault that machines had.
type RoomFailure struct {
	Stage    recorder.Stage `json:"stage"`
	Text     string         `json:"text"`
	Machines int            `json:"machines"`
	Example  string         `json:"example"` // MAC of one of them
}

// Took is the time of the whole room.
func (r RoomReport) Took() time.Duration { return time.Duration(r.TookUS) * time.Microsecond }

func roomFigures(s recorder.Stage, h *quantile.Histogram) RoomStage {
	return RoomStage{
		Stage: s, Count: h.N(), P50US: h.Quantile(0.5).Microseconds(), P99US: h.Quantile(0.99).Microseconds(), MaxUS: h.Max().Microseconds(),
	}
}

func (r *roomRun) report() RoomReport {
	out := RoomReport{Machines: len(r.machine), Bytes: r.reads.bytes.Load(), Failures: []RoomFailure{}}
	var boot quantile.Histogram
	stages := make([]quantile.Histogram, len(r.stages))
	last := r.began
	for i := range r.machine {
		m := &r.machine[i]
		done := int(m.stage.Load())
		for s := range done {
			stages[s].Add(m.took[s])
		}
		if m.err != nil {
			out.fail(r.stages[min(done, len(r.stages)-1)], m.err, r.MACs[i].String())
			continue
		}
		out.Booted++
		boot.Add(m.ended.Sub(m.began))
		if m.ended.After(last) {
			last = m.ended
		}
	}
	out.TookUS = last.Sub(r.began).Microseconds()
	out.Boot, out.Reads = roomFigures("", &boot), roomFigures("", r.reads.latency())
	for i, s := range r.stages {
		out.Stages = append(out.Stages, roomFigures(s, &stages[i]))
	}
	slices.SortStableFunc(out.Failures, func(a, b RoomFailure) int { return cmp.Compare(b.Machines, a.Machines) })
	return out
}

// maxFailures is how many different faults are told apart.
const maxFailures = 20

// fail counts a machine that failed.
func (r *RoomReport) fail(s recorder.Stage, err error, mac string) {
	text := plain(err)
	for i := range r.Failures {
		if f := &r.Failures[i]; f.Stage == s && f.Text == text {
			f.Machines++
			return
		}
	}
	if len(r.Failures) >= maxFailures {
		text = "other faults"
		if last := &r.Failures[len(r.Failures)-1]; last.Text == text {
			last.Machines++
			return
		}
	}
	r.Failures = append(r.Failures, RoomFailure{Stage: s, Text: text, Machines: 1, Example: mac})
}

// alike is an error whose text differs from machine to machine, in the words
// that it has for all of them.
type alike struct {
	text string
	err  error
}

func (a *alike) Error() string { return fmt.Sprintf("%s: %v", a.text, a.err) }
func (a *alike) Unwrap() error { return a.err }

// plain is an error in words that are the same for all machines that had it: the
// cause alone, below what names the machine.
func plain(err error) string {
	var a *alike
	if errors.As(err, &a) {
		return a.text + ": " + plain(a.err)
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
