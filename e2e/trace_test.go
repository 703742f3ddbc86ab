//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

// testTrace looks at what was recorded of a boot. Half a minute after it ran that
// is kept.
func testTrace(t *testing.T, f *fixture, guests ...*guest) {
	during(t, f, guests...)
	for range 60 {
		if out, err := f.CLI(t.Context(), "image", "trace", imageRef); err == nil {
			t.Log("\n" + out)
			break
		}
		time.Sleep(time.Second)
	}
	var x api.Trace
	f.json(&x, "image", "trace", imageRef)
	if x.Cut || x.Bytes < 50<<20 || x.Bytes > 500<<20 || x.Distinct > x.Bytes || len(x.Reads) < 1000 || !strings.HasPrefix(x.Machine, "pc") {
		t.Errorf("%d READs, %d bytes, %d distinct, on %s", len(x.Reads), x.Bytes, x.Distinct, x.Machine)
	}
	for _, want := range []string{"the system logs in", "runs"} {
		if !slices.ContainsFunc(x.Marks, func(m api.TraceMark) bool { return m.Text == want }) {
			t.Errorf("no step %q: %+v", want, x.Marks)
		}
	}
	for _, r := range x.Reads {
		if r.Offset < 0 || r.Length <= 0 || r.Offset+r.Length > x.Size || r.AtUS > x.TookUS {
			t.Fatalf("a READ that cannot be: %+v", r)
		}
	}
	for format, begin := range map[string]string{"png": "\x89PNG\r\n", "svg": "<svg "} {
		if picture := f.cli("image", "trace", imageRef, "-o", format); !strings.HasPrefix(picture, begin) {
			t.Errorf("%s: %.20q", format, picture)
		}
	}
}
