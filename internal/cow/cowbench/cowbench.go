// Package cowbench measures the copy-on-write engine beside plain files and a
// qcow2 overlay, all in one run. Whatever is compared takes turns, batch by
// batch, and medians count: on a disk whose speed wanders, only what was
// measured side by side compares. docs/BENCHMARKS.md holds what it printed.
package cowbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/vfs"
	"bootes.dev/internal/goals"
)

// Options of a run.
type Options struct {
	// Dir is where a temporary folder of at most 8 GiB is made, on a real
	// disk; default /var/tmp.
	Dir   string
	Out   io.Writer      // Markdown tables
	Parts *regexp.Regexp // only those whose names match; nil: all
	Quick bool           // tiny disks and few turns: shows that it works, measures nothing
}

// sizes of what is measured, in bytes unless said otherwise.
type sizes struct {
	image   int64 // of the small image, full of data
	wide    int64 // of the large, sparse one
	hot     int   // blocks scattered over the large one
	written int64 // of a disk for writes
	shared  int64 // what all clones read
	changed int64 // in a volume that is sealed
	doomed  int   // scattered blocks of a volume that is removed
	source  int64 // of a raw image to import, half of it holes

	turns              int // of a comparison
	hotTurns, hotReads int // of one of hot reads, and in each
	rounds             int // of something long
	fillings           int // of the page cache
	clones             int // "1,000 clones"
	depth              int // layers of a long chain
	guests             int // that read the same at once
}

var full = sizes{
	image: 1 << 30, wide: 64 << 30, hot: 1 << 18, written: 1 << 30, shared: 200 << 20,
	changed: 1 << 30, doomed: 1 << 18, source: 4 << 30,
	turns: 1500, hotTurns: 40, hotReads: 1 << 14, rounds: 5, fillings: 3, clones: 1000, depth: 20, guests: 64,
}

var quick = sizes{
	image: 4 << 20, wide: 256 << 20, hot: 64, written: 4 << 20, shared: 1 << 20,
	changed: 4 << 20, doomed: 64, source: 4 << 20,
	turns: 1, hotTurns: 2, hotReads: 64, rounds: 1, fillings: 2, clones: 5, depth: 3, guests: 4,
}

const blockSize = cow.BlockSize

type bench struct {
	sizes
	ctx context.Context
	dir string // of this run
	fs  *countingFS
	out io.Writer

	table goals.Table
}

// Run measures everything and prints it. It needs no privileges.
func Run(ctx context.Context, o Options) (err error) {
	if o.Dir == "" {
		o.Dir = "/var/tmp"
	}
	dir, err := os.MkdirTemp(o.Dir, "bootes-engine-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{sizes: full, ctx: ctx, dir: dir, fs: &countingFS{FS: vfs.OS()}, out: o.Out}
	if o.Quick {
		b.sizes = quick
	}
	b.head()
	for _, s := range []struct {
		name string
		run  func(*room) error
	}{
		{"clones", b.cloning}, {"reads", b.reads}, {"versions", b.versions}, {"large map", b.wideReads}, {"writes", b.writes},
		{"page cache", b.pageCache}, {"sealing", b.sealing}, {"removing", b.removing}, {"import", b.importing},
		{"syncs", b.syncs}, {"qcow2", b.beside}, {"growth", b.growth}, {"depths", b.depths},
	} {
		if o.Parts != nil && !o.Parts.MatchString(s.name) {
			continue
		}
		if err := b.section(s.run); err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
	}
	return nil
}

// room is one section's folder with an engine in it.
type room struct {
	dir string
	eng *cow.Engine
}

func (b *bench) section(run func(*room) error) (err error) {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	r := &room{dir: filepath.Join(b.dir, "section")}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close(), os.RemoveAll(r.dir)) }()
	if err := b.start(r); err != nil {
		return err
	}
	return run(r)
}

func (b *bench) start(r *room) (err error) {
	// Nothing is merged in the background: long chains are what is measured.
	r.eng, err = cow.Open(r.data(), cow.Options{FS: b.fs, MergeDepth: 252, FlattenDepth: 253})
	return err
}

func (r *room) close() error {
	if r.eng == nil {
		return nil
	}
	return r.eng.Close()
}

func (r *room) data() string            { return filepath.Join(r.dir, "data") }
func (r *room) path(name string) string { return filepath.Join(r.dir, name) }
