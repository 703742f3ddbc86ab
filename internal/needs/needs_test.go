package needs

import (
	"fmt"
	"testing"
)

// end is how a recorder's test ended.
type end struct {
	testing.TB
	how string
}

func (e *end) Helper()                      {}
func (e *end) Fatalf(f string, args ...any) { e.how = "failed: " + fmt.Sprintf(f, args...) }
func (e *end) Skipf(f string, args ...any)  { e.how = "skipped: " + fmt.Sprintf(f, args...) }

func TestMissingFailsInCI(t *testing.T) {
	for ci, want := range map[string]string{
		"true": "failed: needs no-such-program (nothing); CI must have it",
		"":     "skipped: needs no-such-program (nothing)",
	} {
		t.Setenv("CI", ci)
		e := new(end)
		Program(e, "no-such-program", "nothing")
		if e.how != want {
			t.Errorf("with CI=%q: %q, want %q", ci, e.how, want)
		}
		e = new(end)
		if Program(e, "sh", "dash"); e.how != "" {
			t.Errorf("with CI=%q and what is there: %q", ci, e.how)
		}
	}
}
