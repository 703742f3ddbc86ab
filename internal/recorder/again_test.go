package recorder

import (
	"log/slog"
	"testing"
	"time"
)

// TestAgain: who looks at a machine that tries again sees why it does.
func TestAgain(t *testing.T) {
	r, err := Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := time.Now().Add(-time.Hour)
	add := func(id string, e Event) {
		e.Time, e.Boot, e.Machine = at, id, "pc1"
		r.Add(e)
	}
	before := func(want string) {
		t.Helper()
		if b, _ := r.Newest("pc1"); b.Before != want {
			t.Errorf("%s: %q, want %q", b.ID, b.Before, want)
		}
	}
	why := &Diagnosis{Kind: "no-login"}
	add("1", Event{Stage: StageScript})
	before("")
	add("1", Event{Outcome: OutcomeStalled, Diagnosis: why})
	before("")
	at = at.Add(time.Minute)
	add("2", Event{Stage: StageFirmware})
	before("no-login")
	add("2", Event{Diagnosis: &Diagnosis{Kind: "slow"}})
	before("")
	add("2", Event{Stage: StageRunning})
	before("")
	add("2", Event{Diagnosis: why}) // told of while it runs
	at = at.Add(time.Minute)
	add("3", Event{Stage: StageFirmware})
	before("")
	add("3", Event{Outcome: OutcomeStalled, Diagnosis: why})
	at = at.Add(retried + time.Second)
	add("4", Event{Stage: StageFirmware})
	before("")
}

// TestLasting: that a system runs takes back what stopped it, and not what is wrong
// though it runs.
func TestLasting(t *testing.T) {
	for _, lasting := range []bool{false, true} {
		r, err := Open(t.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []Event{{Stage: StageRead}, {Diagnosis: &Diagnosis{Kind: "k", Lasting: lasting}}, {Stage: StageRunning}} {
			e.Boot, e.Machine = "1", "pc1"
			r.Add(e)
		}
		if b, _ := r.Newest("pc1"); (b.Diagnosis != nil) != lasting || b.Outcome != OutcomeRunning {
			t.Errorf("lasting %v: %+v", lasting, b)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
