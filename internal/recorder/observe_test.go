package recorder

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"
)

// told notes what an observer is told.
type told []string

func (o *told) BootEnded(b *Boot) {
	kind := ""
	if b.Diagnosis != nil {
		kind = b.Diagnosis.Kind
	}
	*o = append(*o, fmt.Sprintf("%s at %s %s", b.Outcome, b.Stage, kind))
}

func (o *told) StageLeft(st Stage, took time.Duration) {
	*o = append(*o, fmt.Sprintf("%s took %s", st, took))
}

func TestObserver(t *testing.T) {
	var got told
	dir := t.TempDir()
	r, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.Observe(&got)
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	add := func(boot string, after int, e Event) {
		e.Machine, e.Boot, e.Time = "pc01", boot, at.Add(time.Duration(after)*time.Second)
		r.Add(e)
	}
	add("b1", 0, Event{Stage: StageFirmware})
	add("b1", 6, Event{Stage: StageLoader, Since: at.Add(2 * time.Second)})
	add("b1", 7, Event{Text: "no stage"})
	add("b1", 8, Event{Stage: StageLoader})
	add("b1", 50, Event{Outcome: OutcomeStalled, Diagnosis: &Diagnosis{Kind: "loader-silent"}})
	add("b1", 60, Event{Stage: StageIPXE})
	add("b2", 70, Event{Stage: StageFirmware})
	add("b2", 80, Event{Stage: StageRunning})
	want := []string{
		"firmware took 2s", "stalled at loader loader-silent", "loader took 58s", "replaced at ipxe ", "firmware took 10s", "running at running ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got = nil
	if r, err = Open(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Observe(&got)
	if len(got) != 0 {
		t.Errorf("told of an earlier run: %q", got)
	}
}
