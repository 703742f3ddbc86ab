package diskspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := t.TempDir()
	s, err := Of(dir)
	if err != nil || s.Capacity <= 0 || s.Free <= 0 || s.Free > s.Capacity {
		t.Errorf("space of %s: %+v, %v", dir, s, err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if of, err := OfFile(f); err != nil || of.Capacity != s.Capacity {
		t.Errorf("space of the open folder: %+v, %v; of its path: %+v", of, err, s)
	}
}

func TestOfNothing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, err := Of(missing)
	if want := "statfs " + missing + ": no such file or directory"; !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
