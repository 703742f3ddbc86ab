// Package goals prints what was measured beside what was aimed at, as tables in
// Markdown. The benchmarks share it.
package goals

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Table is one that is being printed.
type Table struct{ out io.Writer }

// New begins a table. A column for the verdict is added to those named.
func New(out io.Writer, columns ...string) Table {
	fmt.Fprintf(out, "\n| %s | |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+1))
	return Table{out}
}

// Row prints cells, of which goal is the last, and whether it is met. Without a
// goal there is no verdict.
func (t Table) Row(met bool, goal string, cells ...string) {
	verdict := "met"
	switch {
	case goal == "":
		verdict = ""
	case !met:
		verdict = "**missed**"
	}
	fmt.Fprintf(t.out, "| %s | %s | %s |\n", strings.Join(cells, " | "), goal, verdict)
}

// AtLeast is the words for a ratio's goal; none for 0.
func AtLeast(ratio float64) string { return ratioGoal("≥", ratio) }

// AtMost is the words for a ratio's goal; none for 0.
func AtMost(ratio float64) string { return ratioGoal("≤", ratio) }

func ratioGoal(sign string, ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%s %.2f", sign, ratio)
}

// Short is a duration with three digits that mean something.
func Short(d time.Duration) string {
	for _, u := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= u || d <= -u {
			return d.Round(u / 100).String()
		}
	}
	return d.String()
}
