package recorder

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// house10k has 10,000 machines with 16 boots each.
func house10k() *Recorder {
	r := New(slog.New(slog.DiscardHandler))
	start := time.Now().Add(-time.Hour)
	for m := range 10_000 {
		for b := range maxBoots {
			for i, st := range []Stage{StageFirmware, StageLoader, StageIPXE, StageScript, StageLogin, StageRead, StageKernel, StageRunning} {
				r.Add(Event{Time: start.Add(time.Duration(i) * time.Second), Boot: fmt.Sprint(b), Machine: fmt.Sprint("pc", m), Stage: st, Text: string(st)})
			}
		}
	}
	return r
}

func BenchmarkLatest(b *testing.B) {
	r := house10k()
	b.ReportAllocs()
	for b.Loop() {
		r.Latest()
	}
}

func BenchmarkUnderWay(b *testing.B) {
	r := house10k()
	b.ReportAllocs()
	for b.Loop() {
		r.UnderWay()
	}
}

func BenchmarkRepeat(b *testing.B) {
	r := New(slog.New(slog.DiscardHandler))
	e := Event{Time: time.Now(), Boot: "b", Machine: "pc", Text: "DISCOVER from BIOS on br0"}
	r.Add(e)
	for i := range maxEvents - 1 {
		r.Add(Event{Time: e.Time, Boot: "b", Machine: "pc", Text: fmt.Sprint("another event, with a text of its own ", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Repeat(e)
	}
}
