package cow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// access is one write or read of one sector: a time at which it began, one at
// which it had ended, and what was written or seen.
type access struct {
	stamp        uint32
	began, ended int64
}

// witness notes what happens to the watched sectors.
type witness struct {
	clock  atomic.Int64
	stamps atomic.Uint32

	mu            sync.Mutex
	writes, reads [][]access // by sector
}

func newWitness() *witness {
	w := &witness{writes: make([][]access, len(watched)), reads: make([][]access, len(watched))}
	for i := range w.writes {
		w.writes[i] = []access{{0, -2, -1}}
	}
	return w
}

func (w *witness) wrote(first, n int64, a access) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range watched {
		if s >= first && s < first+n {
			w.writes[i] = append(w.writes[i], a)
		}
	}
}

func (w *witness) saw(c stamps, began, ended int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, stamp := range c {
		w.reads[i] = append(w.reads[i], access{stamp, began, ended})
	}
}

// check wants each read to have seen a write that had begun before the read
// ended, and that no other write came wholly after before the read began.
func (w *witness) check() error {
	for i := range watched {
		for _, r := range w.reads[i] {
			if !w.explains(i, r) {
				return fmt.Errorf("sector %d read as %d between %d and %d, of writes %v", watched[i], r.stamp, r.began, r.ended, w.writes[i])
			}
		}
	}
	return nil
}

func (w *witness) explains(i int, r access) bool {
	last := int64(-2) // the latest beginning of a write that had ended before
	for _, x := range w.writes[i] {
		if x.ended < r.began {
			last = max(last, x.began)
		}
	}
	for _, x := range w.writes[i] {
		if x.stamp == r.stamp && x.began < r.ended && x.ended >= last {
			return true
		}
	}
	return false
}

// TestOverlap has readers, writers and changes of structure at one volume and
// explains everything that was read, sector by sector.
func TestOverlap(t *testing.T) {
	for seed := range seeds(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), cow.Options{JournalSize: 4096, MergeDepth: 2, FlattenDepth: 4}
			if seed%2 > 0 {
				o.FS, dir = crashfs.New(seed, "/"), "/d"
			}
			e := open(t, dir, o)
			v := newVolume(t, e, cow.VolumeSpec{Size: oddSize})
			w := newWitness()
			rounds := 150
			if raceDetector {
				rounds = 60
			}
			if err := overlap(e, v, w, seed, rounds); err != nil {
				t.Fatal(err)
			}
			if err := w.check(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func overlap(e *cow.Engine, v *cow.Volume, w *witness, seed uint64, rounds int) error {
	var wg sync.WaitGroup
	errs := make([]error, 7)
	run := func(k int, do func(rng *rand.Rand) error) {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		wg.Go(func() {
			for i := 0; i < rounds && errs[k] == nil; i++ {
				errs[k] = do(rng)
			}
		})
	}
	for k := range 3 {
		run(k, func(rng *rand.Rand) error { return w.change(v, rng) })
	}
	for k := range 2 {
		run(3+k, func(*rand.Rand) error { return w.look(v) })
	}
	run(5, func(rng *rand.Rand) error {
		if rng.IntN(4) > 0 {
			return v.Flush()
		}
		return w.snapshot(e, rng)
	})
	run(6, func(rng *rand.Rand) error { return churn(e, v, rng) })
	wg.Wait()
	return errors.Join(append(errs, w.look(v))...)
}

func (w *witness) change(v *cow.Volume, rng *rand.Rand) error {
	first, n := drawPlace(rng, oddSize)
	a := access{began: w.clock.Add(1)}
	var err error
	if rng.IntN(5) == 0 {
		err = v.Unmap(first*512, n*512)
	} else {
		a.stamp = w.stamps.Add(1)
		p := make([]byte, n*512)
		for i := range n {
			stampSector(p[i*512:], first+i, a.stamp)
		}
		_, err = v.WriteAt(p, first*512)
	}
	a.ended = w.clock.Add(1)
	w.wrote(first, n, a)
	return err
}

func (w *witness) look(v *cow.Volume) error {
	began := w.clock.Add(1)
	c, err := readContent(v, oddSize)
	w.saw(c, began, w.clock.Add(1))
	return err
}

// snapshot is a read as well: what it holds is what was there at some time
// while it was made.
func (w *witness) snapshot(e *cow.Engine, rng *rand.Rand) error {
	name := fmt.Sprint("s", rng.IntN(3))
	err := e.RemoveSnapshot("v", name)
	if err != nil && !errors.Is(err, cow.ErrNotExist) {
		return err
	}
	began := w.clock.Add(1)
	if _, err := e.Snapshot("v", name); err != nil {
		return err
	}
	ended := w.clock.Add(1)
	l, err := e.OpenSnapshot("v", name)
	if err != nil {
		return err
	}
	c, err := readContent(l, min(oddSize, l.Size()))
	w.saw(c, began, ended)
	return errors.Join(err, l.Close())
}

// churn changes what the volume consists of, and nothing that is to be seen.
func churn(e *cow.Engine, v *cow.Volume, rng *rand.Rand) error {
	switch rng.IntN(5) {
	case 0:
		return e.SetWriteThrough("v", rng.IntN(2) == 0)
	case 1:
		info, err := e.Commit("v", "")
		if err != nil {
			return err
		}
		return onlyIf(e.RemoveLayer(info.ID), cow.ErrDependents)
	case 2:
		return e.Resize("v", (v.Size()/4096+1)*4096)
	case 3:
		return e.FlattenVolume(context.Background(), "v", nil)
	}
	return e.SetLimit("v", 1<<30)
}
