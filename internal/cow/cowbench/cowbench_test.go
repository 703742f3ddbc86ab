package cowbench

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestQuick runs everything once, tiny: what the benchmark would say of the
// engine is not looked at, only that it says it, and leaves nothing.
func TestQuick(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := Run(t.Context(), Options{Dir: dir, Out: io.MultiWriter(&out, t.Output()), Quick: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"clone of a 256 MiB image |", "through 3 layers |", "their snapshots removed", "every second block in the overlay |", "flush every 32 |",
		"page cache after 4 clones", "snapshot of a", "rollback of a", "p99 of another's", "half holes",
		"| flush after 1 first touch |", "| 4 GiB |", "| layers |", "| layers of upgrades |", "another image of the same", "… the last of 3 named versions, in 3 layers", "longest chain, of 3",
	} {
		if !strings.Contains(out.String(), strings.TrimSuffix(want, " |")) {
			t.Errorf("no %q in what was printed", want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestQuantile(t *testing.T) {
	d := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(d, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}

func TestScattered(t *testing.T) {
	const size, n = 1 << 30, 1000
	seen := map[int64]bool{}
	for _, x := range scattered(size, n) {
		if x < 0 || x >= size/blockSize || seen[x] {
			t.Fatalf("block %d is outside, or there twice", x)
		}
		seen[x] = true
	}
	if len(seen) != n {
		t.Errorf("%d blocks, want %d", len(seen), n)
	}
}
