package golden

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

func TestBuildNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Build(t.Context(), Options{Output: filepath.Join(t.TempDir(), "x.raw"), Suite: "no suite"})
	if err == nil {
		t.Fatal("built without programs")
	}
	for _, want := range []string{"no suite", `"mmdebstrap" is missing: apt install mmdebstrap`, "apt install mtools"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in %v", want, err)
		}
	}
}

// requireBuild skips where nothing can be built, but not in CI.
func requireBuild(t *testing.T) {
	t.Helper()
	if err := requirements(); err != nil {
		needs.Skip(t, "%v", err)
	}
}

func TestInterruptedBuildLeavesNothing(t *testing.T) {
	requireBuild(t)
	dir := t.TempDir()
	output := filepath.Join(dir, "x.raw")
	if err := os.WriteFile(output, []byte("the image of before"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Build(ctx, Options{Output: output, Progress: func(string, int, int) {
		time.AfterFunc(500*time.Millisecond, cancel)
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want that it was cancelled", err)
	}
	checkOnly(t, dir, "x.raw")
	if b, err := os.ReadFile(output); err != nil || string(b) != "the image of before" {
		t.Errorf("the former image is now %q, %v", b, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("mounts are left below %s (%v)", dir, err)
	}
}

func TestUnreachableMirror(t *testing.T) {
	requireBuild(t)
	dir := t.TempDir()
	err := Build(t.Context(), Options{Output: filepath.Join(dir, "x.raw"),
		Mirror: "file:///nowhere/debian", Security: "file:///nowhere/security"})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v; want the mirror named", err)
	}
	checkOnly(t, dir)
}

func TestLeftoversOfKilledBuildsGo(t *testing.T) {
	dir := t.TempDir()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dirName(dead.Process.Pid), dirName(os.Getppid()), ".golden-x"} {
		if err := os.Mkdir(filepath.Join(dir, name+"1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := &builder{Options: Options{Output: filepath.Join(dir, "x.raw")}}
	if err := b.makeDir(); err != nil {
		t.Fatal(err)
	}
	checkOnly(t, dir, filepath.Base(b.dir), dirName(os.Getppid())+"1", ".golden-x1")
}

// checkOnly checks that a folder holds these files and no others.
func checkOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			t.Errorf("%s is left", e.Name())
		}
		delete(want, e.Name())
	}
	for n := range want {
		t.Errorf("%s is gone", n)
	}
}
