package recorder

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
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
	for i := range maxSubjects + 10 {
		r.Add(Event{Time: start.Add(time.Duration(i)), MAC: fmt.Sprint(i), Text: "x"})
	}
	if n := len(r.subjects); n != maxSubjects {
		t.Errorf("%d subjects kept, want %d", n, maxSubjects)
	}
	if r.Boots("pc") == nil {
		t.Error("a machine was forgotten for strangers")
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

func TestStagesAreOrdered(t *testing.T) {
	order := []Stage{"", StageFirmware, StageLoader, StageIPXE, StageScript, StageLogin, StageRead, StageKernel, StageRunning}
	for i := 1; i < len(order); i++ {
		if !order[i].After(order[i-1]) || order[i-1].After(order[i]) {
			t.Errorf("%q does not come after %q", order[i], order[i-1])
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"machine":"pc","text":"x"}` + "\n{}\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := New(slog.Default())
		if err := readJournal(path, r.file); err != nil {
			t.Fatal(err)
		}
	})
}
