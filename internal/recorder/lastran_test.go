package recorder

import (
	"log/slog"
	"testing"
	"time"
)

// TestLastRan: however many boots fail since, it is known what ran before.
func TestLastRan(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-24 * time.Hour)
	boot := func(id, image string, last Stage, lasts time.Duration) {
		for _, st := range []Stage{StageScript, last} {
			r.Add(Event{Time: at, Boot: id, Machine: "pc1", Stage: st, Text: "step", Attrs: map[string]string{"image": image}})
		}
		at = at.Add(lasts)
	}
	boot("none", "debian:11", StageKernel, time.Minute)
	boot("good", "debian:12", StageRunning, ShortRun)
	for range 2 * maxBoots {
		boot(at.String(), "debian:13", StageRunning, time.Minute)
	}
	newest, _ := r.Newest("pc1")
	if all := r.Before("pc1", newest.ID); len(all) != maxBoots-1 || all[0].Started.Before(all[1].Started) || all[0].Events != nil {
		t.Errorf("%d boots before: %+v", len(all), all[0])
	}
	if r.Before("pc2", "x") != nil {
		t.Error("boots of nobody")
	}
	check := func(when string) {
		t.Helper()
		if b, _ := r.Newest("pc1"); b.LastRan == nil || b.LastRan.Image != "debian:12" {
			t.Errorf("%s: %+v", when, b.LastRan)
		}
	}
	check("now")
	if a, b, c := r.Running("debian:13", "pc2"), r.Running("debian:13", "pc1"), r.Running("debian:12", "pc2"); a != 1 || b != 0 || c != 0 {
		t.Errorf("running: %d, %d, %d", a, b, c)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	check("after a restart")
}
