package golden

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOldImagesAreDropped(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	for name, age := range map[string]int{"golden-old.raw": 8, "golden-new.raw": 6, "other.raw": 80} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.AddDate(0, 0, -age)); err != nil {
			t.Fatal(err)
		}
	}
	dropOld(dir, now.AddDate(0, 0, -7))
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 2 {
		t.Errorf("left: %v, want golden-new.raw and other.raw", left)
	}
}

func TestCachedImageIsNotBuiltAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "golden-"+Options{}.Key()+".raw")
	old := time.Now().AddDate(0, 0, -30)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	got, err := Cached(t.Context(), dir, Options{})
	if err != nil || got != path {
		t.Fatalf("%q, %v; want %q", got, err, path)
	}
	if info, err := os.Stat(path); err != nil || info.ModTime().Before(time.Now().Add(-time.Minute)) {
		t.Errorf("the use is not noted: %v, %v", info, err)
	}
}

func TestCacheIsLocked(t *testing.T) {
	dir := t.TempDir()
	lock, err := os.Create(filepath.Join(dir, "golden-"+Options{}.Key()+".raw.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := flock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Cached(ctx, dir, Options{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), lock.Name()+`"): another process has it, to build the image`) {
		t.Errorf("the lock of another one is waited for: %v", err)
	}
}
