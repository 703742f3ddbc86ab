package cow_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"bootes.dev/internal/cow/crashfs"
)

// TestGenerations goes on after power cuts: each history begins with what the
// one before left.
func TestGenerations(t *testing.T) {
	for seed := range seeds(16) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			s := setup{seed: seed, steps: 40}
			for g := range 8 {
				h, err := s.run()
				if err != nil {
					t.Fatalf("generation %d: %v", g, err)
				}
				if s, err = h.succeed(); err != nil {
					t.Fatalf("generation %d: %v", g, err)
				}
			}
		})
	}
}

// heritage is what a history begins with.
type heritage struct {
	fs    *crashfs.FS
	boot  byte
	world world
	lines map[int]stamps
	next  int // number of the next line
	stamp uint32
}

// succeed cuts the power at the end of a history and returns one that goes on
// with what is found.
func (h *history) succeed() (setup, error) {
	o := &oracle{lines: map[int]*line{}}
	for _, m := range h.marks {
		o.advance(m)
	}
	h.end()
	next := setup{seed: h.setup.seed + 1000, steps: h.setup.steps}
	rng := rand.New(rand.NewPCG(next.seed, 34))
	var fs *crashfs.FS
	n := 0
	h.log.CrashesAtEnd(crashfs.Bounds{Random: 20, Seed: next.seed, Dull: dull}, func(c crashfs.Crash) bool {
		if !c.Power {
			return true
		}
		if n++; rng.IntN(n) == 0 {
			fs = c.FS()
		}
		return true
	})
	next.from = &heritage{fs: fs, boot: h.boot() + 1, lines: map[int]stamps{}, next: h.lines, stamp: h.stamp}
	return next, h.inherit(next.from, o)
}

// inherit checks what a power cut left, and takes it for true.
func (h *history) inherit(to *heritage, o *oracle) error {
	e, err := engineOn(to.fs, to.boot, h.setup.options)
	if err != nil {
		return err
	}
	if err := o.check(found{e, to.fs, true, true}); err != nil {
		return errors.Join(err, e.Close())
	}
	to.world = o.now.clone()
	maps.DeleteFunc(to.world.volumes, func(_ string, v volume) bool { return v.volatile })
	for id, v := range to.world.volumes {
		d, err := e.OpenVolume(id)
		if err == nil {
			to.lines[v.line], err = readContent(d, v.size)
			err = errors.Join(err, d.Close())
		}
		if err != nil {
			return errors.Join(err, e.Close())
		}
	}
	return e.Close()
}
