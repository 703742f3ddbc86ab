package cow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// seeds is how many histories a search takes: BOOTES_COW_SEEDS asks for more,
// in 24ths.
func seeds(n uint64) uint64 {
	if more, err := strconv.ParseUint(os.Getenv("BOOTES_COW_SEEDS"), 10, 32); err == nil {
		return max(1, n*more/24)
	}
	if testing.Short() || raceDetector {
		return max(1, n/8)
	}
	return n
}

// TestEveryCrash runs histories and then opens the engine after every crash of
// each: killed after every operation of the file system, and with the power
// cut after every one, with each single unsynced operation lost, or kept, all,
// none, and random parts with torn writes.
func TestEveryCrash(t *testing.T) {
	for seed := range seeds(12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			h, err := setup{seed: seed, steps: 40, nothing: seed%8 == 0}.run()
			if err != nil {
				t.Fatal(err)
			}
			h.end()
			tried, err := h.enumerate(crashfs.Bounds{Random: 2, Seed: seed}, inspector{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d crashes in %d operations", tried, h.log.Len())
		})
	}
}

func (h *history) end() {
	if h.e == nil {
		return
	}
	h.fs.Kill()
	_ = h.e.Close()
}

// enumerate tries the crashes of a history, until the first finding.
func (h *history) enumerate(b crashfs.Bounds, in inspector) (tried int, finding error) {
	b.Dull = dull
	o := &oracle{lines: map[int]*line{}}
	marks := h.marks
	rng := rand.New(rand.NewPCG(b.Seed, 32))
	h.log.Crashes(b, func(c crashfs.Crash) bool {
		for len(marks) > 0 && marks[0].at <= c.At {
			o.advance(marks[0])
			marks = marks[1:]
		}
		tried++
		if err := in.inspect(o, c, rng); err != nil {
			finding = fmt.Errorf("%v: %w\nbefore it:\n  %s", c, err, strings.Join(h.log.Ops(c.At-25, c.At), "\n  "))
		}
		return finding == nil
	})
	return tried, finding
}

// dull is what only gives space back.
func dull(name string) bool { return strings.Contains(name, "/trash/") }

// inspector opens the engine after a crash.
type inspector struct {
	options  cow.Options
	sameBoot bool // takes a power cut for a kill: a fault, planted
	// How much to look at, of what costs most: thorough has space given back
	// and crashes again; images looks at those, and at snapshots.
	thorough, images bool
}

func (in inspector) inspect(o *oracle, c crashfs.Crash, rng *rand.Rand) error {
	fs := c.FS()
	in.thorough, in.images = rng.IntN(24) == 0, o.next != nil || rng.IntN(4) == 0
	if !in.thorough {
		return in.recover(o, fs, c.Power, 1)
	}
	log := fs.Record()
	if err := in.recover(o, fs, c.Power, 1); err != nil {
		return err
	}
	return in.crashAgain(o, log, c.Power, rng)
}

// crashAgain has the recovery itself crash, somewhere.
func (in inspector) crashAgain(o *oracle, log *crashfs.Log, power bool, rng *rand.Rand) error {
	var chosen crashfs.Crash
	var fs *crashfs.FS
	n := 0
	log.Crashes(crashfs.Bounds{Random: 1, Seed: rng.Uint64()}, func(c crashfs.Crash) bool {
		if n++; rng.IntN(n) == 0 {
			chosen, fs = c, c.FS()
		}
		return true
	})
	boots := 1
	if chosen.Power {
		boots = 2
	}
	if err := in.recover(o, fs, power || chosen.Power, boots); err != nil {
		return fmt.Errorf("and after another %v, in what came of it: %w", chosen, err)
	}
	return nil
}

func (in inspector) recover(o *oracle, fs *crashfs.FS, power bool, boots int) error {
	boot := byte(1)
	if power && !in.sameBoot {
		boot += byte(boots)
	}
	e, err := engineOn(fs, boot, in.options)
	if err != nil {
		return err
	}
	err = o.check(found{e, fs, power, in.images})
	if err == nil {
		err = in.checkLeftovers(e, fs)
	}
	return errors.Join(err, e.Close())
}

// checkLeftovers wants nothing in the folder but what the engine knows.
func (in inspector) checkLeftovers(e *cow.Engine, fs *crashfs.FS) error {
	layers, volumes := map[string]bool{}, map[string]bool{}
	for _, l := range e.Layers() {
		layers[l.ID] = true
	}
	for _, v := range e.Volumes() {
		volumes[v.ID] = true
	}
	for dir, names := range map[string]map[string]bool{
		"/d":        {"boot": true, "layers": true, "volumes": true, "tmp": true, "trash": true},
		"/d/layers": layers, "/d/volumes": volumes, "/d/tmp": nil,
	} {
		if err := onlyThere(fs, dir, names); err != nil {
			return err
		}
	}
	for id := range layers {
		if err := onlyThere(fs, "/d/layers/"+id, map[string]bool{"meta": true, "data": true, "map": true, "hashes": true}); err != nil {
			return err
		}
	}
	for id := range volumes {
		if n := len(must(fs.List("/d/volumes/" + id))); n > 2 {
			return fmt.Errorf("left in volume %q: %v", id, must(fs.List("/d/volumes/"+id)))
		}
	}
	if !in.thorough {
		return nil
	}
	if err := e.Settle(context.Background()); err != nil {
		return err
	}
	return onlyThere(fs, "/d/trash", nil)
}

func onlyThere(fs *crashfs.FS, dir string, names map[string]bool) error {
	for _, n := range must(fs.List(dir)) {
		if !names[n] {
			return fmt.Errorf("%s/%s is left over", dir, n)
		}
	}
	return nil
}
