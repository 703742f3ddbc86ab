package main

import (
	"fmt"
	"strings"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// story tells of boots, for a person who wants to know what happened and why it
// took so long.
type story struct {
	strings.Builder
	now     time.Time
	ink     ink
	columns int              // of the terminal that lines are broken for; 0: they are not
	packets []api.PacketLine // of the boot that is told of, that are still to be told of
	next    *api.Boot        // the one that is told of after it
	live    *api.Now         // how it goes; nil: it has no session, and is sent nothing
}

func (s *story) tell(b api.Boot) {
	name := clean(subject(b.Machine, b.MAC))
	id := ""
	if b.ID != "" {
		id = " " + clean(b.ID)
	}
	fmt.Fprintf(s, "boot%s of %s, %s: %s\n", id, s.ink.bold(name), when(s.now, b.Started), s.outcome(b))
	stages := b.Stages
	for i, e := range b.Events {
		for len(stages) > 0 && !stages[0].At.After(e.Time) {
			if i > 0 {
				s.packetsUntil(b, stages[0].At)
			}
			s.stage(stages[0])
			stages = stages[1:]
		}
		s.packetsUntil(b, e.Time)
		s.event(b, e)
	}
	for _, st := range stages { // their events are gone
		s.stage(st)
	}
	s.packetsUntil(b, s.now)
	s.goes()
	switch {
	case len(b.Events) == 0:
		s.WriteString("  (its events are not kept any more)\n")
	case b.Dropped > 0:
		fmt.Fprintf(s, "  (%d events in between were not kept)\n", b.Dropped)
	}
	if b.Diagnosis != nil {
		s.why(b)
	}
}

// why says what was wrong with a boot; of several boots in a row that stopped
// for the same reason, the last one has all of it.
func (s *story) why(b api.Boot) {
	d := *b.Diagnosis
	title := "WHAT IS WRONG"
	if b.Outcome != "" && b.Outcome != recorder.OutcomeRunning && d.Kind != diagnose.Slow {
		title = "WHY IT STOPPED"
	}
	if n := s.next; n != nil && n.Diagnosis != nil && n.Diagnosis.Summary == d.Summary {
		s.WriteByte('\n')
		s.wrap(2, s.ink.red(title), ": as the next one, see there", s.ink.faint(" ["+clean(d.Kind)+"]"))
		return
	}
	s.diagnosis(title, d)
}

// stage begins a stage.
func (s *story) stage(st recorder.StageTime) {
	if st.Stage == recorder.StageRunning {
		fmt.Fprintf(s, "  %s\n", s.ink.bold("running"))
		return
	}
	line := fmt.Sprintf("%-9s %s", s.ink.bold(clean(string(st.Stage))), span(st.Took))
	if st.Usual > 0 {
		line += ", usually " + span(st.Usual)
	}
	if st.Peers > 0 {
		line += ", with this image usually " + span(st.Peers)
	}
	if slow(st.Took, max(st.Usual, st.Peers)) {
		line += s.ink.yellow("  SLOW")
	}
	fmt.Fprintf(s, "  %s\n", line)
}

// slow reports whether a stage takes so much longer than usual that a person
// would want to know.
func slow(took, usual time.Duration) bool {
	return usual > 0 && took > 3*usual && took > usual+5*time.Second
}

func (s *story) event(b api.Boot, e recorder.Event) {
	text := mark(e.Level) + clean(e.Text)
	told := e.Diagnosis != nil && b.Diagnosis != nil && e.Diagnosis.Summary == b.Diagnosis.Summary
	switch {
	case told && e.Outcome != "":
		text = mark(e.Level) + "it has stopped here; see below"
	case told:
		text = mark(e.Level) + clean(e.Diagnosis.Summary) + "; see below"
	case e.Outcome == recorder.OutcomeStalled:
		text = mark(e.Level) + "stalled: " + clean(e.Text)
	}
	if mark(e.Level) != "" {
		text = s.ink.yellow(text)
	}
	fmt.Fprintf(s, "  %9s  %s%s\n", "+"+offset(e.Time.Sub(b.Started)), text, s.ink.faint(again(e)))
}

// again tells of the repeats of an event.
func again(e recorder.Event) string {
	times := "times"
	switch e.Again {
	case 0:
		return ""
	case 1:
		times = "time"
	}
	over := e.Until.Sub(e.Time)
	if over < 100*time.Millisecond {
		return fmt.Sprintf(" (again %d %s at once)", e.Again, times)
	}
	return fmt.Sprintf(" (again %d %s in %s)", e.Again, times, span(over))
}

// diagnosis says what was seen, what it means, and what to do.
func (s *story) diagnosis(title string, d recorder.Diagnosis) {
	s.WriteByte('\n')
	s.wrap(2, s.ink.red(title), ": ", clean(d.Summary), s.ink.faint(" ["+clean(d.Kind)+"]"))
	if len(d.Evidence) > 0 {
		s.WriteString("  seen:\n")
	}
	for _, e := range d.Evidence {
		s.wrap(6, "- ", clean(e))
	}
	switch {
	case d.Certain():
		s.WriteString("  what to do:\n")
		s.wrap(7, "-> ", s.ink.bold(clean(d.Causes[0].Remedy)))
		return
	case len(d.Causes) == 1:
		s.WriteString("  likely cause, and what to do:\n")
	case len(d.Causes) > 1:
		s.WriteString("  likely causes, and what to do:\n")
	}
	for i, c := range d.Causes {
		s.wrap(7, fmt.Sprintf("%d. ", i+1), clean(c.Text))
		if c.Remedy != "" {
			s.wrap(10, "-> ", s.ink.bold(clean(c.Remedy)))
		}
	}
}

func offset(d time.Duration) string {
	if d >= time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
}
