package main

import (
	"fmt"
	"strings"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/simulate"
)

// roomProgress is how far a room is.
func roomProgress(n int, p simulate.RoomProgress) string {
	parts := []string{}
	for _, s := range simulate.RoomStages() {
		if k := p.In[s]; k > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k, s))
		}
	}
	for _, s := range []struct {
		n    int
		what string
	}{{p.Done, "done"}, {p.Failed, "failed"}} {
		if s.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", s.n, s.what))
		}
	}
	return fmt.Sprintf("%s: %s", count(n, "machine"), strings.Join(parts, ", "))
}

func roomText(r simulate.RoomReport, t api.Trace, f *roomFlags) string {
	pace := "at the pace of the boot of " + t.Machine
	if f.full {
		pace = "as fast as they were answered"
	}
	on := "all switched on at once"
	if f.spread > 0 {
		on = "switched on within " + f.spread.String()
	}
	text := fmt.Sprintf("%d of %s booted %s in %s, %s\n%s read, %s/s; READs came %s\n\n",
		r.Booted, count(r.Machines, "machine"), clean(t.Image), tenths(r.TookUS), on,
		bytesize.Format(r.Bytes), bytesize.Format(int64(float64(r.Bytes)/max(r.Took().Seconds(), 0.001))), clean(pace))
	times := newTable("STAGE", ">MACHINES", ">P50", ">P99", ">MAX")
	row := func(name string, s simulate.RoomStage) {
		times.row(name, fmt.Sprint(s.Count), micros(s.P50US), micros(s.P99US), micros(s.MaxUS))
	}
	for _, s := range r.Stages {
		row(string(s.Stage), s)
	}
	row("whole boot", r.Boot)
	row("one READ", r.Reads)
	text += times.String()
	if len(r.Failures) > 0 {
		faults := newTable(">FAILED", "STAGE", "WHY", "ONE OF THEM")
		for _, x := range r.Failures {
			faults.row(fmt.Sprint(x.Machines), string(x.Stage), x.Text, x.Example)
		}
		text += "\n" + faults.String()
	}
	return text + "\n" + roomNote
}

// roomNote says what a room leaves out.
const roomNote = `Not in it: what the server writes for real machines. They take leases, each gets a clone of its own, and their
systems write. Nothing of the room is kept.
`
