//go:build !race

package cow_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlantedInSource tests the testers as TestPlantedBugs does, with mistakes
// of how small flushes are carried that no file system can make for us: each is
// compiled in, and must be found by the searches. It is not part of the run under
// the race detector: it compiles the package once for each.
func TestPlantedInSource(t *testing.T) {
	const searches = "^(TestCrashes|TestSmallFlushesBesideWriters|TestEveryCrash|TestGenerations)$"
	for _, c := range []struct {
		name, file string
		edits      []string // old and new, in turn
		tests      string
	}{
		{"acknowledged before the journal is synced", "carry.go", []string{
			"	if err == nil {\n		err = o.log.file.Sync()\n	}\n", "",
		}, searches},
		{"redone in the boot that wrote it", "journal.go", []string{
			"(d.Boot != o.e.boot || res.voided) && len", "len",
		}, searches},
		{"not redone after a failed sync", "journal.go", []string{
			"(d.Boot != o.e.boot || res.voided) && len", "d.Boot != o.e.boot && len",
		}, searches},
		{"not redone before the first write", "write.go", []string{"o.carried.Load() != nil", "false"}, searches},
		{"batch taken before the number", "flush.go", []string{
			"	late, many := o.unsynced.take()\n", "",
			"	o.mu.Lock()\n	upTo := o.log.seq\n", "	late, many := o.unsynced.take()\n	time.Sleep(time.Microsecond)\n	o.mu.Lock()\n	upTo := o.log.seq\n",
			`	"errors"`, `	"errors"; "time"`,
		}, searches},
		{"sum of the data not checked", "replay.go", []string{
			"crc32.Checksum(data, castagnoli) != r.Count", "crc32.Size == 0",
		}, searches},
		{"flush without a record over what is carried", "flush.go", []string{"pending || o.log.carried", "pending"}, searches},
		{"a part of a batch forgotten", "carry.go", []string{
			"	if !u.batch.add(p, off) {\n		u.forget()\n	}\n", "	u.batch.add(p, off)\n",
		}, searches},
		{"commit after a void", "flush.go", []string{
			"err := o.failure.get() // then", "var err error // then",
		}, "^TestFlushUnderFailure$"},
		{"what was written before a kill not synced", "journal.go", []string{"	o.unsynced.lose()\n", ""}, "^TestOverwriteBeforeAKillIsSynced$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("go", "test", "-vet=off", "-count=1", "-failfast", "-overlay", plant(t, c.file, c.edits), "-run", c.tests, ".")
			cmd.Env = append(os.Environ(), "BOOTES_COW_SEEDS=24")
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("not found")
			}
			at := strings.Index(string(out), "--- FAIL: Test")
			if at < 0 {
				t.Fatalf("no test has failed: %s", out)
			}
			t.Logf("%.300s", out[at:])
		})
	}
}

// plant returns the name of an overlay for the go command with edits in a file.
func plant(t *testing.T, file string, edits []string) string {
	t.Helper()
	p := must(os.ReadFile(file))
	text := string(p)
	for i := 0; i < len(edits); i += 2 {
		if strings.Count(text, edits[i]) != 1 {
			t.Fatalf("%s does not have %q once", file, edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	dir := t.TempDir()
	planted, overlay := filepath.Join(dir, file), filepath.Join(dir, "overlay.json")
	ok(t, os.WriteFile(planted, []byte(text), 0o600))
	replace := map[string]map[string]string{"Replace": {must(filepath.Abs(file)): planted}}
	ok(t, os.WriteFile(overlay, must(json.Marshal(replace)), 0o600))
	return overlay
}
