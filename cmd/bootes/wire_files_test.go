package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"bootes.dev/internal/config"
)

func TestOpenMirrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.File = "b.yaml"
	cfg.HTTP.Mirrors = map[string]string{"isos": dir}
	roots, err := openMirrors(cfg)
	if err != nil || roots["isos"] == nil {
		t.Errorf("%v, %v", roots, err)
	}
	closeMirrors(roots)

	cfg.HTTP.Mirrors = map[string]string{"a": file, "b": filepath.Join(dir, "none"), "isos": dir}
	roots, err = openMirrors(cfg)
	closeMirrors(roots)
	want := `open mirror "a": open ` + file + `: not a directory: write a folder that can be read into http.mirrors in b.yaml
open mirror "b": open ` + filepath.Join(dir, "none") + `: no such file or directory: make that folder, or take the line out of http.mirrors in b.yaml`
	if err.Error() != want {
		t.Errorf("%s\nwant %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) || len(roots) != 1 {
		t.Errorf("%v, %d opened", err, len(roots))
	}
}
