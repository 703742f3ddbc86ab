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
	if b := add(Event{Boot: "1", Resolved: d.Kind}); b.Diagnosis != d {
		t.Errorf("why it stalled was taken back: %+v", b)
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
	add(Event{Boot: "2", Diagnosis: d})
	if b := add(Event{Boot: "2", Resolved: "another"}); b.Diagnosis != d {
		t.Errorf("another diagnosis was taken back: %+v", b)
	}
	if b := add(Event{Boot: "2", Resolved: d.Kind}); b.Diagnosis != nil || b.Outcome != OutcomeRunning {
		t.Errorf("it was not taken back: %+v", b)
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

// TestStageBeganBefore: a stage may have begun before it is told of, and not before
// the one before it.
func TestStageBeganBefore(t *testing.T) {
	r := New(slog.New(slog.DiscardHandler))
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	r.Add(Event{Boot: "b1", Machine: "pc1", Time: at(0), Stage: StageFirmware})
	r.Add(Event{Boot: "b1", Machine: "pc1", Time: at(60), Stage: StageLoader, Since: at(4)})
	r.Add(Event{Boot: "b1", Machine: "pc1", Time: at(61), Stage: StageIPXE, Since: at(2)})
	for i, want := range []int{0, 4, 61} {
		if st := r.Boots("pc1")[0].Stages[i]; !st.At.Equal(at(want)) {
			t.Errorf("%s began at %s, want %s", st.Stage, st.At, at(want))
		}
	}
}

// TestPeers: of a machine of which nothing is usual yet, others with its image tell.
func TestPeers(t *testing.T) {
	r := New(slog.New(slog.DiscardHandler))
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	play := func(machine, image string, read int) {
		for i, st := range []Stage{StageFirmware, StageScript, StageRead, StageKernel} {
			at := start.Add(time.Duration(i) * time.Second)
			if st == StageKernel {
				at = at.Add(time.Duration(read-1) * time.Second)
			}
			r.Add(Event{Boot: machine + "-1", Machine: machine, Time: at, Stage: st, Attrs: map[string]string{"image": image}})
		}
	}
	play("pc1", "lab:1", 10)
	play("pc2", "lab:1", 14)
	play("pc3", "lab:2", 90)
	play("pc4", "lab:1", 70)
	if u := r.Peers("lab:1", StageRead, "pc4"); u.Boots != 2 || u.Median != 10*time.Second || u.Slowest != 14*time.Second {
		t.Errorf("%+v", u)
	}
	for _, st := range r.Boots("pc4")[0].Stages {
		if want := map[Stage]time.Duration{StageRead: 10 * time.Second}[st.Stage]; st.Peers != want {
			t.Errorf("%s: others took %s, want %s", st.Stage, st.Peers, want)
		}
	}
	if st := r.Boots("pc3")[0].Stages[2]; st.Peers != 0 {
		t.Errorf("with an image that nobody else has: %s", st.Peers)
	}
}
