package recorder

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/crowd"
)

func TestBootsSurviveReopen(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	r.Add(Event{Boot: "b1", Machine: "pc01", Stage: StageFirmware, Text: "DISCOVER"})
	r.Add(Event{Boot: "b1", Machine: "pc01", Stage: StageLogin, Text: "login"})
	r.Add(Event{Boot: "b2", Machine: "pc01", Stage: StageFirmware, Text: "DISCOVER"})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	f, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"time":"2026-01-`)
	f.Close()

	for range 2 {
		r, err = Open(dir, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		r.Add(Event{Boot: "b2", Machine: "pc01", Text: "after the crash"})
		r.Close()
	}
	boots := r.Boots("pc01")
	if len(boots) != 2 || boots[0].ID != "b2" || boots[1].Stage != StageLogin {
		t.Fatalf("boots = %+v, want b2 then b1 at login", boots)
	}
	if n := len(boots[0].Events); n != 3 {
		t.Errorf("b2 has %d events, want 3: the torn line must not swallow the next", n)
	}
}

func TestUnknownMachineIsFiledUnderItsMAC(t *testing.T) {
	r := New(slog.Default())
	r.Add(Event{MAC: "52:54:00:00:00:01", Text: "DISCOVER"})
	if got := r.Boots("52:54:00:00:00:01"); len(got) != 1 || len(got[0].Events) != 1 {
		t.Fatalf("boots = %+v, want one with one event", got)
	}
}

func TestBounds(t *testing.T) {
	r := New(slog.Default())
	for i := range maxEvents + 50 {
		r.Add(Event{Boot: "b", Machine: "pc", Text: fmt.Sprint(i)})
	}
	b := r.Boots("pc")[0]
	if len(b.Events) != maxEvents || b.Dropped != 50 {
		t.Errorf("%d events, %d dropped; want %d, 50", len(b.Events), b.Dropped, maxEvents)
	}
	if first, last := b.Events[0].Text, b.Events[maxEvents-1].Text; first != "0" || last != fmt.Sprint(maxEvents+49) {
		t.Errorf("kept %q to %q, want the first and the newest", first, last)
	}
	for i := range maxBoots + 5 {
		r.Add(Event{Boot: fmt.Sprint("b", i), Machine: "pc", Text: "x"})
	}
	if n := len(r.Boots("pc")); n != maxBoots {
		t.Errorf("%d boots kept, want %d", n, maxBoots)
	}
	start := time.Now()
	for i := range crowd.Strangers + 10 {
		r.Add(Event{Time: start.Add(time.Duration(i)), MAC: fmt.Sprint(i), Text: "x"})
	}
	if n := len(r.subjects); n != crowd.Strangers+1 || r.strangers != crowd.Strangers {
		t.Errorf("%d subjects, %d strangers kept, want %d strangers", n, r.strangers, crowd.Strangers)
	}
	if n := r.eldest.Len(); n != crowd.Strangers+maxBoots || r.events != n {
		t.Errorf("%d events in %d boots are remembered, want %d", r.events, n, crowd.Strangers+maxBoots)
	}
	for i := range maxTries + 5 {
		r.Add(Event{Boot: fmt.Sprint("b", i), MAC: "stranger", Text: "x"})
	}
	if n := len(r.Boots("stranger")); n != maxTries {
		t.Errorf("%d boots of a stranger kept, want %d", n, maxTries)
	}
	for i := range crowd.Machines + 10 {
		r.Add(Event{Machine: fmt.Sprint("pc", i), Text: "x"})
	}
	if n := len(r.subjects) - r.strangers; n != crowd.Machines {
		t.Errorf("%d machines kept, want %d", n, crowd.Machines)
	}
}

func TestOldBootsLoseTheirEvents(t *testing.T) {
	r := New(slog.Default())
	machines := maxInAll/maxEvents + 1
	for m := range machines {
		for i := range maxEvents {
			r.Add(Event{Boot: "b", Machine: fmt.Sprint("pc", m), Stage: StageFirmware, Text: fmt.Sprint(i)})
		}
	}
	if r.events > maxInAll {
		t.Errorf("%d events in memory, want %d at most", r.events, maxInAll)
	}
	b := r.Boots("pc0")[0]
	if len(b.Events) != 0 || b.Dropped != maxEvents || b.Stage != StageFirmware {
		t.Errorf("the oldest boot: %d events, %d dropped, stage %s; want none, and its stage", len(b.Events), b.Dropped, b.Stage)
	}
	if b := r.Boots(fmt.Sprint("pc", machines-1))[0]; len(b.Events) != maxEvents {
		t.Errorf("the newest boot has %d events, want %d", len(b.Events), maxEvents)
	}
}

func TestWatch(t *testing.T) {
	r := New(slog.Default())
	events, stop := r.Watch()
	r.Add(Event{Machine: "pc", Text: "one"})
	if e := <-events; e.Text != "one" || e.Time.IsZero() || e.Level != Info {
		t.Errorf("event = %+v", e)
	}
	for range 1000 {
		r.Add(Event{Machine: "pc", Text: "flood"})
	}
	stop()
	stop()
	n := 0
	for range events {
		n++
	}
	if n == 0 || n == 1000 {
		t.Errorf("slow watcher got %d events; want some, and Add never blocked", n)
	}
}

// Of each machine the newest boot counts; strangers do not.
func TestUnderWay(t *testing.T) {
	r := New(slog.New(slog.DiscardHandler))
	for _, e := range []Event{
		{Boot: "1", Machine: "pc01", Stage: StageLoader},
		{Boot: "1", Machine: "pc02", Stage: StageLoader},
		{Boot: "2", Machine: "pc02", Stage: StageFirmware},
		{Boot: "1", Machine: "pc03", Stage: StageLoader},
		{Boot: "1", Machine: "pc03", Outcome: OutcomeStalled},
		{Boot: "1", Machine: "pc04", Stage: StageRunning},
		{Boot: "1", Machine: "pc05", Stage: StageLoader},
		{MAC: "52:54:00:00:00:01", Boot: "1", Stage: StageLoader},
		{MAC: "52:54:00:00:00:01", Boot: "1", Outcome: OutcomeStalled},
	} {
		r.Add(e)
	}
	byStage, stalled := r.UnderWay()
	if want := map[Stage]int{StageFirmware: 1, StageLoader: 2}; !maps.Equal(byStage, want) || stalled != 1 {
		t.Errorf("%v, %d stalled", byStage, stalled)
	}
}

func TestStagesAreOrdered(t *testing.T) {
	order := []Stage{"", StageFirmware, StageLoader, StageIPXE, StageScript, StageLogin, StageRead, StageKernel, StageRunning}
	for i := 1; i < len(order); i++ {
		if !order[i].After(order[i-1]) || order[i-1].After(order[i]) {
			t.Errorf("%q does not come after %q", order[i], order[i-1])
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"machine":"pc","text":"x"}`+"\n{}\n\xff"), []byte(`{"id":"b","machine":"pc","stages":[{"stage":"loader"}]}`))
	f.Add([]byte(`{"machine":"pc","boot":"b","stage":"loader"}`), []byte(`{"id":"b","mac":"x","events":{},"stages":[{},{}]}`+"\n"))
	f.Fuzz(func(t *testing.T, events, boots []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{"events.jsonl": events, "boots.jsonl.1": boots} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Open(dir, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		r.Latest()
		r.Usual("pc", StageLoader)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
