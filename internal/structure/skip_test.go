package structure_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maySkip are the files that pass over a test on a developer's machine, and fail
// it in CI.
var maySkip = []string{"internal/needs/needs.go", "internal/lab/require.go", "internal/netif/nettest/nettest.go"}

// allocates is how tests that count allocations end early.
const allocates = "t." + `Skip("the race detector allocates")`

var (
	skipped  = regexp.MustCompile(`\b(t|b|f|tb)\.Skip(f|Now)?\(.*`)
	function = regexp.MustCompile(`(?m)^func (\([^)]*\) )?(\w+)`)
)

// TestNothingIsSkippedInCI: tests say what they need by package needs. Those
// that count allocations cannot run under the race detector; `make unit` runs
// them without it, by their names.
func TestNothingIsSkippedInCI(t *testing.T) {
	counted := regexp.MustCompile(`test -run NoAllocation .*`).FindString(read(t, "Makefile"))
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || slices.Contains(maySkip, name) {
			return err
		}
		text := read(t, name)
		for _, at := range skipped.FindAllStringIndex(text, -1) {
			line := text[at[0]:at[1]]
			all := function.FindAllStringSubmatch(text[:at[0]], -1)
			in := all[len(all)-1][2]
			switch {
			case line == allocates && !(strings.Contains(in, "NoAllocation") && strings.Contains(counted, "./"+filepath.Dir(name))):
				t.Errorf("%s, %s: `make unit` does not run it without the race detector", name, in)
			case line != allocates:
				t.Errorf("%s, %s: %s: say what it needs by package needs", name, in, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
