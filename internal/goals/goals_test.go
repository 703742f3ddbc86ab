package goals_test

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/goals"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	table := goals.New(&b, "what", "measured", "goal")
	table.Row(true, goals.AtLeast(2), "reads", "3.1")
	table.Row(false, goals.AtMost(0.3), "CPU", "0.5")
	table.Row(false, goals.AtLeast(0), "else", "7")
	const want = `
| what | measured | goal | |
|---|---|---|---|
| reads | 3.1 | ≥ 2.00 | met |
| CPU | 0.5 | ≤ 0.30 | **missed** |
| else | 7 |  |  |
`
	if b.String() != want {
		t.Errorf("got:\n%s", b.String())
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 17: "17ns", 5432: "5.43µs", 1234567: "1.23ms", 12345678901: "12.35s", -1500 * time.Microsecond: "-1.5ms",
	} {
		if got := goals.Short(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
