package cowbench

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"bootes.dev/internal/cow"
)

// sparse makes a layer of size bytes that has the given blocks.
func (b *bench) sparse(r *room, id string, size int64, blocks []int64) (layer string, err error) {
	v, err := r.blank(id, size)
	if err != nil {
		return "", err
	}
	if err := errors.Join(put(v, blocks), v.Close()); err != nil {
		return "", err
	}
	s, err := r.eng.Snapshot(id, "s")
	return s.Layer, err
}

// everywhere is one block in each page of a map, so that none of its pages is
// uniform.
func everywhere(size int64) []int64 { return scattered(size, max(1, int(size>>26))) }

func (r *room) blank(id string, size int64) (*cow.Volume, error) {
	return r.volume(cow.VolumeSpec{ID: id, Size: size})
}

func (r *room) clone(id, base string) (*cow.Volume, error) {
	return r.volume(cow.VolumeSpec{ID: id, Base: base})
}

func (r *room) volume(spec cow.VolumeSpec) (*cow.Volume, error) {
	if _, err := r.eng.CreateVolume(spec); err != nil {
		return nil, err
	}
	return r.eng.OpenVolume(spec.ID)
}

// cloning measures what a clone costs.
func (b *bench) cloning(r *room) error {
	base, err := b.sparse(r, "base", b.wide, everywhere(b.wide))
	if err != nil {
		return err
	}
	c, err := b.costOfClones(r, base, min(20, b.clones))
	if err != nil {
		return err
	}
	of := gib(b.wide) + " image"
	b.within("clone of a "+of, c.make, 5*time.Millisecond)
	b.fits("its size on disk", c.disk, 64<<10)
	b.fits("its memory, open and untouched", c.memory, 64<<10)
	b.row("opening it", short(c.open), "", true)
	b.row("its first write", short(c.first), "", true)
	b.row("its size on disk after one write", fmt.Sprintf("%.0f KiB", float64(c.touched)/1024), "", true)

	start := time.Now()
	for i := range b.clones {
		if _, err := r.eng.CreateVolume(cow.VolumeSpec{ID: fmt.Sprint("many-", i), Base: base}); err != nil {
			return err
		}
	}
	b.within(fmt.Sprint(b.clones, " clones of it"), time.Since(start), 5*time.Second)
	return b.starting(r)
}

// starting compares the opening of a folder with all those clones with that
// of an empty one.
func (b *bench) starting(r *room) error {
	if err := r.close(); err != nil {
		return err
	}
	var times [2][]time.Duration
	for range b.rounds {
		for i, dir := range []string{r.data(), r.path("empty")} {
			d, err := b.openFolder(dir)
			if err != nil {
				return err
			}
			times[i] = append(times[i], d)
		}
	}
	extra := quantile(times[0], 0.5) - quantile(times[1], 0.5)
	b.within(fmt.Sprintf("opening a folder of %d volumes, beyond an empty one's", b.clones), extra, 2*time.Second)
	return b.start(r)
}

func (b *bench) openFolder(dir string) (time.Duration, error) {
	start := time.Now()
	e, err := cow.Open(dir, cow.Options{FS: b.fs})
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took, e.Close()
}

// cloneCost is what one clone takes: medians.
type cloneCost struct {
	make, open, first     time.Duration
	disk, touched, memory int64
}

// costOfClones makes n clones and writes one block to each.
func (b *bench) costOfClones(r *room, base string, n int) (c cloneCost, err error) {
	var makes, opens, firsts []time.Duration
	keep, err := r.clone(base+"-keep", base) // the chain is there already
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, keep.Close()) }()
	before := heap()
	var open []*cow.Volume
	for i := range n {
		id := fmt.Sprint(base, "-", i)
		start := time.Now()
		if _, err := r.eng.CreateVolume(cow.VolumeSpec{ID: id, Base: base}); err != nil {
			return c, err
		}
		made := time.Now()
		v, err := r.eng.OpenVolume(id)
		if err != nil {
			return c, err
		}
		opens = append(opens, time.Since(made))
		makes, open = append(makes, made.Sub(start)), append(open, v)
	}
	c.memory = (heap() - before) / int64(n)
	dir := filepath.Join(r.data(), "volumes", fmt.Sprint(base, "-", 0))
	if c.disk, err = occupied(dir); err != nil {
		return c, err
	}
	for _, v := range open {
		start := time.Now()
		if _, err := v.WriteAt(pattern(blockSize), 0); err != nil {
			return c, err
		}
		firsts = append(firsts, time.Since(start))
		if err := v.Close(); err != nil {
			return c, err
		}
	}
	c.touched, err = occupied(dir)
	c.make, c.open, c.first = quantile(makes, 0.5), quantile(opens, 0.5), quantile(firsts, 0.5)
	return c, err
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
