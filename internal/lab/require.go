package lab

import (
	"os"
	"os/exec"
	"testing"
)

// Require makes a test depend on root and on programs. A missing one skips the
// test with its name on a developer's machine and fails it when CI=true, where a
// skipped test would pass for a proof.
func Require(tb testing.TB, programs ...string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		missing(tb, "root (network namespaces)")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(tb, p)
		}
	}
}

func missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("this test needs %s, and CI must not skip it", what)
	}
	tb.Skipf("this test needs %s", what)
}
