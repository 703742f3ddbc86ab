package main

import (
	"fmt"
	"strings"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// outcome is how b has gone, in a few words.
func (s *story) outcome(b api.Boot) string {
	stage := clean(string(b.Stage))
	at := ""
	if stage != "" {
		at = " at stage " + stage
	}
	switch b.Outcome {
	case recorder.OutcomeRunning:
		return s.ran(b)
	case recorder.OutcomeStalled:
		return s.ink.red("STALLED"+at) + " after " + span(b.Ended.Sub(b.Started))
	case recorder.OutcomeReplaced:
		return s.ink.yellow("began anew"+at) + " after " + span(b.Ended.Sub(b.Started))
	case recorder.OutcomeRefused:
		return s.ink.yellow("refused") + at
	}
	return s.underWay(b)
}

// insteadOfRunning is what a system does of which it is not said that it runs, by the
// kind of what is wrong.
var insteadOfRunning = map[string]string{
	diagnose.SystemSilent: "does not answer", diagnose.SystemGone: "is gone", diagnose.ConnectionLost: "loses its disk again and again",
	diagnose.MountMissing: "cannot mount all that it should",
}

// ran tells of a boot that has come to run, and may be gone again.
func (s *story) ran(b api.Boot) string {
	took := span(b.Ended.Sub(b.Started))
	text := fmt.Sprintf("it runs since %s, %s after its start", clock(b, b.Ended), took)
	if connected := s.live != nil && s.live.Connected; s.next != nil || !connected && s.now.Sub(b.Last) > relogin {
		text = fmt.Sprintf("it ran from %s, %s after its start, and was last heard of at %s", clock(b, b.Ended), took, clock(b, b.Last))
	}
	if b.Diagnosis == nil {
		return text
	}
	if not := insteadOfRunning[b.Diagnosis.Kind]; not != "" { // since when, its diagnosis says
		return fmt.Sprintf("its system began to run at %s, %s after it was started", clock(b, b.Ended), took) + s.ink.red(", and "+not)
	}
	wrong := ", and something is wrong"
	for _, e := range b.Events {
		if e.Diagnosis != nil && e.Diagnosis.Summary == b.Diagnosis.Summary {
			wrong += " since " + clock(b, e.Time)
			break
		}
	}
	return text + s.ink.red(wrong)
}

// underWay tells of a boot that is, and for how long it has been where it is.
func (s *story) underWay(b api.Boot) string {
	text := "under way for " + span(s.now.Sub(b.Started))
	if n := len(b.Stages); n > 0 {
		text += fmt.Sprintf(", at stage %s for %s", clean(string(b.Stages[n-1].Stage)), span(b.Stages[n-1].Took))
	}
	if b.Diagnosis != nil {
		text += ", " + s.ink.red("and something is wrong")
	}
	return text
}

// goes tells how the boot goes now.
func (s *story) goes() {
	n := s.live
	if n == nil {
		return
	}
	text := fmt.Sprintf("%s read, by %s, and %s written", bytesize.Format(n.ReadBytes), count(int(n.Reads), "command"), bytesize.Format(n.WrittenBytes))
	switch {
	case n.Transfer != nil:
		x := n.Transfer
		text = fmt.Sprintf("%s of %s of %s have arrived by %s, in %s", bytesize.Format(x.Done), bytesize.Format(x.Size), clean(x.Name), x.Proto, span(s.now.Sub(x.Began)))
	case n.Over > 0:
		text += fmt.Sprintf("; %s/s read in the last %s", bytesize.Format(n.ReadRate), span(n.Over))
	}
	if n.Connected {
		text += fmt.Sprintf("; last heard of %s ago", span(n.Quiet))
	}
	fmt.Fprintf(s, "  %9s  %s\n", "now", text)
}

// clock is a time, with its date if that is not the one on which b began.
func clock(b api.Boot, t time.Time) string {
	const day = "2006-01-02 "
	at := t.Local().Format(day + "15:04:05")
	return strings.TrimPrefix(at, b.Started.Local().Format(day))
}
