package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/recorder"
)

// frame draws the room in a screen of so many characters. trouble, if there is
// some, says why it is not as it is now.
func (r room) frame(ink ink, now time.Time, columns, rows int, trouble string) string {
	head := now.Local().Format("15:04:05") + "  " + cmp.Or(trouble, r.headline())
	hint := ""
	if r.count(stuck) > 0 {
		hint = "`bootes boot log MACHINE` tells why it stalled, and what to do"
	}
	text := []string{ink.bold(cut(head, columns)), ink.faint(cut(hint, columns))}
	fit := max(rows-4, 1) // the heading, and the count of the rest
	shown := r.lines[:min(fit, len(r.lines))]
	const read, written = "      READ", "   WRITTEN" // as wide as what is below at most: columns stay where they are
	t := newTable("", "MACHINE", "STAGE       ", ">    FOR", ">USUALLY", ">"+read, ">"+written, "REMARK")
	for _, s := range shown {
		t.row(s.cells(now)...)
	}
	if columns < 100 { // the remark is worth more
		t.drop("USUALLY")
		t.drop(written)
	}
	for i, line := range strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n") {
		line = cut(line, columns)
		switch {
		case len(shown) == 0:
			continue
		case i == 0:
			line = ink.faint(line)
		case shown[i-1].standing == stuck:
			line = ink.red(line)
		case shown[i-1].standing < booting || shown[i-1].standing == ailing:
			line = ink.yellow(line)
		}
		text = append(text, line)
	}
	if rest := (room{lines: r.lines[len(shown):]}); len(rest.lines) > 0 {
		text = append(text, ink.faint(cut(fmt.Sprintf("   and %d more: %s", len(rest.lines), rest.counts()), columns)))
	}
	return strings.Join(text, "\n")
}

// cells are the columns of a machine's line.
func (s roomLine) cells(now time.Time) []string {
	sign, stage, took, usually := " ", standings[s.standing], s.since(now), ""
	if st, ok := lastStage(s.LatestBoot); ok && s.standing <= booting {
		stage = string(st.Stage)
		if st.Usual > 0 && s.Outcome == "" {
			usually = span(st.Usual)
		}
	}
	switch s.standing {
	case stuck:
		sign = "!"
	case turnedAway, late, ailing:
		sign = "?"
	}
	if s.standing == ailing {
		stage = "running"
	}
	return []string{sign, subject(s.Machine, s.MAC), stage, took, usually, rate(s.read), rate(s.written), s.remark()}
}

// since is how long a machine has been as it is.
func (s roomLine) since(now time.Time) string {
	from := s.Last
	st, ok := lastStage(s.LatestBoot)
	switch {
	case s.standing == never:
		return ""
	case s.standing == up || s.standing == ailing:
		from = s.Ended
	case ok && s.Outcome == "", ok && s.standing == stuck: // the silence is part of it
		from = st.At
	}
	return span(now.Sub(from))
}

// remark is the one thing to say of a machine.
func (s roomLine) remark() string {
	switch {
	case s.standing <= late && s.Diagnosis != nil:
		return s.Diagnosis.Kind + ": " + s.Diagnosis.Summary
	case s.standing == up:
		return fmt.Sprintf("%s read, %s written", bytesize.Format(s.ReadBytes), bytesize.Format(s.WrittenBytes))
	case s.standing == off && s.Outcome == recorder.OutcomeStalled:
		return "stalled at " + string(s.Stage)
	case s.standing == off, s.standing == never:
		return ""
	case s.Transfer != nil && s.standing <= booting:
		x := s.Transfer
		return fmt.Sprintf("%s of %s, %s by %s", bytesize.Format(x.Done), bytesize.Format(x.Size), x.Name, x.Proto)
	case len(s.Events) == 0:
		return ""
	}
	e := s.Events[len(s.Events)-1]
	text := e.Text + again(e)
	if s.standing <= booting && s.ReadBytes > 0 {
		text = bytesize.Format(s.ReadBytes) + " read; " + text
	}
	return text
}

func rate(bytesPerSecond float64) string {
	if bytesPerSecond < 1 {
		return ""
	}
	return bytesize.Format(int64(bytesPerSecond)) + "/s"
}

// cut makes s fit into so many columns.
func cut(s string, columns int) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	return string([]rune(s)[:max(columns-1, 0)]) + "…"
}
