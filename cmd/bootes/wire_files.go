package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"bootes.dev/internal/config"
)

// openMirrors opens the folders that the config says to serve by HTTP. What it
// returns is to be closed also when there is an error.
func openMirrors(cfg *config.Config) (map[string]*os.Root, error) {
	roots := map[string]*os.Root{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(cfg.HTTP.Mirrors)) {
		root, err := os.OpenRoot(cfg.HTTP.Mirrors[name])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = withCode(exitNotFound, fmt.Errorf("open mirror %q: %w: make that folder, or take the line out of http.mirrors in %s", name, err, cfg.File))
		case err != nil:
			err = withCode(exitUsage, fmt.Errorf("open mirror %q: %w: write a folder that can be read into http.mirrors in %s", name, err, cfg.File))
		default:
			roots[name] = root
		}
		faults = append(faults, err)
	}
	return roots, errors.Join(faults...)
}

func closeMirrors(roots map[string]*os.Root) {
	for _, root := range roots {
		root.Close()
	}
}
