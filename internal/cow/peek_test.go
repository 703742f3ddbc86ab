package cow_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
)

// contents are all files of a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPeek(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, cow.Options{})
	base := newLayer(t, e, "", 1<<20, func(b *cow.LayerBuilder) { must(b.WriteAt(bytes.Repeat([]byte{1}, 8192), 0)) })
	peek := func(off int64) byte {
		t.Helper()
		p := make([]byte, 512)
		if err := e.Peek("v", p, off); err != nil {
			t.Fatal(err)
		}
		return p[0]
	}
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID})
	must(v.WriteAt(bytes.Repeat([]byte{2}, 512), 0))
	if a, b := peek(0), peek(4096); a != 2 || b != 1 {
		t.Errorf("open: %d, %d", a, b)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	if a, b := peek(0), peek(4096); a != 2 || b != 1 {
		t.Errorf("closed: %d, %d", a, b)
	}
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("a look has changed a file")
	}
	if err := e.Peek("v", make([]byte, 512), 1<<20); !errors.Is(err, block.ErrOutOfRange) {
		t.Errorf("beyond the end: %v", err)
	}
	if err := e.Peek("w", make([]byte, 512), 0); !errors.Is(err, cow.ErrNotExist) {
		t.Errorf("no volume: %v", err)
	}
	if err := openVolume(t, e, "v").Close(); err != nil {
		t.Errorf("it is still open: %v", err)
	}
}
