package cowbench

import (
	"fmt"
	"time"

	"bootes.dev/internal/goals"
)

// head begins the table of the goals.
func (b *bench) head() { b.table = goals.New(b.out, "what", "measured", "goal") }

func (b *bench) row(what, measured, goal string, met bool) { b.table.Row(met, goal, what, measured) }

// atLeast prints a ratio: plain's time over ours.
func (b *bench) atLeast(what string, plain, ours time.Duration, goal float64) {
	ratio := float64(plain) / float64(ours)
	b.row(what, fmt.Sprintf("%.2f (%s; plain %s)", ratio, short(ours), short(plain)), goals.AtLeast(goal), ratio >= goal)
}

func (b *bench) within(what string, took, goal time.Duration) {
	b.row(what, short(took), "< "+short(goal), took < goal)
}

func (b *bench) fits(what string, n, goal int64) {
	b.row(what, fmt.Sprintf("%.1f KiB", float64(n)/1024), fmt.Sprintf("< %d KiB", goal>>10), n < goal)
}

func short(d time.Duration) string { return goals.Short(d) }

func gib(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
