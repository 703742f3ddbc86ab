// Package needs says what a test cannot do without. Where that is missing, the
// test is passed over on a developer's machine, with the reason; with CI=true
// it fails, for there a test that was passed over would be taken for a proof.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Root is for tests that only root can run, and says what they do as root.
func Root(tb testing.TB, to string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		Skip(tb, "needs root, to %s", to)
	}
}

// Program is for tests that run a program, of a Debian package.
func Program(tb testing.TB, name, pkg string) {
	tb.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Skip(tb, "needs %s (%s)", name, pkg)
	}
}

// Skip is for everything else that is missing.
func Skip(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf(format+"; CI must have it", args...)
		return
	}
	tb.Skipf(format, args...)
}
