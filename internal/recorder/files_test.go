package recorder

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Recorder {
	t.Helper()
	r, err := Open(dir, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBootsOutliveTheirEvents loses all events, as a busy room does in days.
func TestBootsOutliveTheirEvents(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	start := time.Now().Add(-time.Hour)
	for i := range 3 {
		play(r, fmt.Sprint(i), start.Add(time.Duration(i)*time.Minute), map[Stage]int{StageFirmware: 0, StageLoader: 1, StageIPXE: 8})
	}
	r.Add(Event{Boot: "2", Machine: "pc", Outcome: OutcomeStalled, Diagnosis: &Diagnosis{Kind: "ipxe-no-address"}})
	r.Add(Event{Boot: "3", Machine: "pc", Stage: StageFirmware})
	before := r.Boots("pc")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "events.jsonl")); err != nil {
		t.Fatal(err)
	}
	r = open(t, dir)
	defer r.Close()
	boots := r.Boots("pc")
	if len(boots) != len(before) {
		t.Fatalf("%d boots, want %d", len(boots), len(before))
	}
	for i, b := range boots {
		want := before[i]
		if b.ID != want.ID || b.Outcome != want.Outcome || b.Stage != want.Stage || !b.Ended.Equal(want.Ended) || !b.Last.Equal(want.Last) || len(b.Events) != 0 {
			t.Errorf("boot %s: %+v\nwant %+v", want.ID, b, want)
		}
	}
	if d := boots[1].Diagnosis; d == nil || d.Kind != "ipxe-no-address" {
		t.Errorf("diagnosis = %+v", d)
	}
	if u := r.Usual("pc", StageLoader); u.Boots != 3 || u.Median != 7*time.Second {
		t.Errorf("usual = %+v, want 3 boots of 7 s", u)
	}
}

func outline(b Boot) string {
	var stages strings.Builder
	for _, st := range b.Stages {
		fmt.Fprintf(&stages, " %s at %d", st.Stage, st.At.UnixMilli())
	}
	return fmt.Sprintf("%s: %s, %d events, stages%s", b.ID, b.Outcome, len(b.Events), &stages)
}

// TestKilledServer reads files as a server leaves them that is killed: boots
// under way are in no summary, and those that are over must not be counted twice.
func TestKilledServer(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	start := time.Now().Add(-time.Hour)
	play(r, "1", start, map[Stage]int{StageFirmware: 0, StageLoader: 1})
	r.Add(Event{Time: start.Add(50 * time.Second), Boot: "1", Machine: "pc", Outcome: OutcomeStalled, Diagnosis: &Diagnosis{Kind: "loader-silent"}})
	play(r, "1", start, map[Stage]int{StageIPXE: 60, StageRunning: 90})
	play(r, "2", start, map[Stage]int{StageFirmware: 100, StageIPXE: 103})
	want := r.Boots("pc")

	r = open(t, dir) // the first was never closed
	got := r.Boots("pc")
	for i := range want {
		if g, w := outline(got[i]), outline(want[i]); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
	if got[0].Outcome != "" || got[1].Outcome != OutcomeRunning {
		t.Errorf("outcomes %q, %q; want one under way, one running", got[0].Outcome, got[1].Outcome)
	}
	r.Add(Event{Time: start, Boot: "2", Machine: "pc", Stage: StageScript}) // the clock was set back
	if st := r.Boots("pc")[0].Stage; st != StageScript {
		t.Errorf("stage %s, want script", st)
	}
}

func TestFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	text := strings.Repeat("x", 1<<20)
	for i := range 20 {
		r.Add(Event{Boot: "b", Machine: "pc", Text: fmt.Sprint(i, text)})
	}
	r.Close()
	var size int64
	for _, name := range []string{"events.jsonl", "events.jsonl.1"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += fi.Size()
	}
	if size > 2*maxFile+2<<20 {
		t.Errorf("%d bytes on disk", size)
	}
	r = open(t, dir)
	defer r.Close()
	if e := r.Boots("pc")[0].Events; !strings.HasPrefix(e[len(e)-1].Text, "19") {
		t.Errorf("the last event is %.10q", e[len(e)-1].Text)
	}
}

// A disk that is full may let a file be set aside, and no new one be made. It is
// made once there is room.
func TestFilesAreMadeAgain(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	defer r.Close()
	if err := os.Remove(filepath.Join(dir, "events.jsonl")); err != nil {
		t.Fatal(err)
	}
	r.files.events.size = maxFile
	r.Add(Event{Boot: "b", Machine: "pc", Text: "on disk"})
	if b, err := os.ReadFile(filepath.Join(dir, "events.jsonl")); err != nil || !strings.Contains(string(b), "on disk") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(dir, "file"), slog.Default())
	if want := "make recorder folder: mkdir " + dir + "/file: not a directory"; err == nil || err.Error() != want {
		t.Errorf("err = %v\nwant  %s", err, want)
	}
	if err := os.Mkdir(filepath.Join(dir, "boots.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, slog.Default())
	if want := "read recorder file: read " + dir + "/boots.jsonl: is a directory"; err == nil || err.Error() != want {
		t.Errorf("err = %v\nwant  %s", err, want)
	}
}
