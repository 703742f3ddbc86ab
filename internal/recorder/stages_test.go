package recorder

import (
	"log/slog"
	"testing"
	"time"
)

// play plays one boot that comes to each of the stages after the seconds given.
func play(r *Recorder, id string, start time.Time, seconds map[Stage]int) {
	for _, st := range []Stage{StageFirmware, StageLoader, StageIPXE, StageScript, StageLogin, StageRead, StageKernel, StageRunning} {
		if n, ok := seconds[st]; ok {
			r.Add(Event{Time: start.Add(time.Duration(n) * time.Second), Boot: id, Machine: "pc", Stage: st, Text: string(st)})
		}
	}
}

func TestUsual(t *testing.T) {
	r := New(slog.Default())
	start := time.Now().Add(-time.Hour)
	if u := r.Usual("pc", StageLoader); u != (Usual{}) {
		t.Errorf("of nobody known: %+v", u)
	}
	for i, loader := range []int{2, 9, 3} {
		play(r, string(rune('a'+i)), start.Add(time.Duration(i)*time.Minute), map[Stage]int{StageFirmware: 0, StageLoader: 5, StageIPXE: 5 + loader})
	}
	want := Usual{Boots: 3, Median: 3 * time.Second, Slowest: 9 * time.Second}
	if u := r.Usual("pc", StageLoader); u != want {
		t.Errorf("usual = %+v, want %+v", u, want)
	}
	if u := r.Usual("pc", StageIPXE); u.Boots != 0 {
		t.Errorf("of a stage that no boot left: %+v", u)
	}
	boots := r.Boots("pc")
	if st := boots[0].Stages[1]; st.Stage != StageLoader || st.Took != 3*time.Second || st.Usual != 2*time.Second {
		t.Errorf("the newest boot's loader: %+v, want 3 s, usually 2 s (the lower of the two before)", st)
	}
	if st := boots[1].Stages[1]; st.Usual != 0 {
		t.Errorf("one earlier boot is no habit: %+v", st)
	}
	if st := boots[0].Stages[2]; st.Took < 50*time.Minute {
		t.Errorf("under way for an hour: %+v", st)
	}
	if st := boots[1].Stages[2]; st.Took != 46*time.Second {
		t.Errorf("replaced 46 s after it had come to iPXE: %+v", st)
	}
}

func TestOutcomes(t *testing.T) {
	r := New(slog.Default())
	now := time.Now()
	add := func(e Event) Boot {
		e.Machine, e.Time = "pc", now
		now = now.Add(time.Second)
		r.Add(e)
		for _, b := range r.Boots("pc") {
			if b.ID == e.Boot {
				return b
			}
		}
		t.Fatalf("boot %q is gone", e.Boot)
		return Boot{}
	}
	if b := add(Event{Boot: "1", Stage: StageFirmware}); b.Outcome != "" || !b.Ended.IsZero() {
		t.Errorf("under way: %+v", b)
	}
	d := &Diagnosis{Kind: "loader-silent"}
	if b := add(Event{Boot: "1", Outcome: OutcomeStalled, Diagnosis: d}); b.Outcome != OutcomeStalled || b.Diagnosis != d || b.Ended.IsZero() {
		t.Errorf("stalled: %+v", b)
	}
	if b := add(Event{Boot: "1", Text: "no stage"}); b.Outcome != OutcomeStalled {
		t.Errorf("an event of no stage took the outcome back: %+v", b)
	}
	if b := add(Event{Boot: "1", Stage: StageLoader}); b.Outcome != "" || b.Diagnosis != nil || !b.Ended.IsZero() {
		t.Errorf("it went on after all: %+v", b)
	}
	if b := add(Event{Boot: "2", Stage: StageFirmware}); b.Outcome != "" {
		t.Errorf("the second: %+v", b)
	}
	if b := r.Boots("pc")[1]; b.Outcome != OutcomeReplaced {
		t.Errorf("the first, which never ran: %+v", b)
	}
	if b := add(Event{Boot: "2", Stage: StageRunning}); b.Outcome != OutcomeRunning {
		t.Errorf("running: %+v", b)
	}
	if b := add(Event{Boot: "3", Outcome: OutcomeRefused}); b.Outcome != OutcomeRefused {
		t.Errorf("refused: %+v", b)
	}
	if b := add(Event{Boot: "2", Text: "session ended"}); b.Outcome != OutcomeRunning {
		t.Errorf("what ran was replaced: %+v", b)
	}
	add(Event{Boot: "4", Stage: StageFirmware})
	if b := r.Boots("pc")[1]; b.Outcome != OutcomeRefused {
		t.Errorf("a refused boot was replaced: %+v", b)
	}
}
