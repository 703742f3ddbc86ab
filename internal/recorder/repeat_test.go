package recorder

import (
	"log/slog"
	"testing"
	"time"
)

func TestRepeat(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	events, stop := r.Watch()
	defer stop()
	start := time.Now().Add(-time.Hour)
	e := Event{Time: start, Boot: "b", Machine: "pc", Text: "DISCOVER"}
	if r.Repeat(e) {
		t.Error("something was repeated of which there is nothing")
	}
	r.Add(e)
	r.Add(Event{Time: start, Boot: "b", Machine: "pc", Text: "OFFER"})
	for i := range 12 {
		e.Time = start.Add(time.Duration(i+1) * time.Second)
		if !r.Repeat(e) {
			t.Fatalf("repeat %d of what is there was not counted", i)
		}
	}
	if e.Text = "REQUEST"; r.Repeat(e) {
		t.Error("another text was taken for a repeat")
	}
	b := r.Boots("pc")[0]
	if got := b.Events[0]; len(b.Events) != 2 || got.Again != 12 || got.Until.Sub(start) != 12*time.Second || !got.Time.Equal(start) {
		t.Errorf("%d events, the first %+v; want 2, again 12 times in 12 s", len(b.Events), got)
	}
	if b.Last.Sub(start) != 12*time.Second {
		t.Errorf("last heard of %s after the start, want 12 s", b.Last.Sub(start))
	}
	stop()
	told := []int{}
	for e := range events {
		told = append(told, e.Again)
	}
	if len(told) != 6 || told[5] != 8 {
		t.Errorf("watchers were told of %v, want of the two events, and of repeats 1, 2, 4, 8", told)
	}
	r.Close()
	r = open(t, dir)
	defer r.Close()
	if got := r.Boots("pc")[0].Events; len(got) != 2 || got[0].Again != 8 {
		t.Errorf("read again: %+v, want two events, again 8 times", got)
	}
}

func TestRepeatOfNobody(t *testing.T) {
	if New(slog.Default()).Repeat(Event{Machine: "pc", Text: "x"}) {
		t.Error("a repeat of a machine that has no timeline was counted")
	}
}
