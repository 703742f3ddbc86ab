package cowbench

import (
	"fmt"
	"time"
)

// head begins the table of the goals.
func (b *bench) head() {
	fmt.Fprintf(b.out, "\n| what | measured | goal | |\n|---|---|---|---|\n")
}

func (b *bench) row(what, measured, goal string, met bool) {
	verdict := "met"
	switch {
	case goal == "":
		verdict = ""
	case !met:
		verdict = "**missed**"
	}
	fmt.Fprintf(b.out, "| %s | %s | %s | %s |\n", what, measured, goal, verdict)
}

// atLeast prints a ratio: plain's time over ours.
func (b *bench) atLeast(what string, plain, ours time.Duration, goal float64) {
	ratio := float64(plain) / float64(ours)
	aim := ""
	if goal > 0 {
		aim = fmt.Sprintf("≥ %.2f", goal)
	}
	b.row(what, fmt.Sprintf("%.2f (%s; plain %s)", ratio, short(ours), short(plain)), aim, ratio >= goal)
}

func (b *bench) within(what string, took, goal time.Duration) {
	b.row(what, short(took), "< "+short(goal), took < goal)
}

func (b *bench) fits(what string, n, goal int64) {
	b.row(what, fmt.Sprintf("%.1f KiB", float64(n)/1024), fmt.Sprintf("< %d KiB", goal>>10), n < goal)
}

// short is a duration with three digits that mean something.
func short(d time.Duration) string {
	for _, u := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= u || d <= -u {
			return d.Round(u / 100).String()
		}
	}
	return d.String()
}

func gib(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
