package cowbench

import (
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/cow"
)

// growth shows how costs grow with the size of the image, the depth of the
// chain and the number of clones. Flat is the goal.
func (b *bench) growth(r *room) error {
	if err := b.bySize(r); err != nil {
		return err
	}
	if err := b.byDepth(r); err != nil {
		return err
	}
	return b.byNumber(r)
}

func (b *bench) bySize(r *room) error {
	fmt.Fprintf(b.out, "\n| size of the image | clone | open | first write | on disk | memory, open | 4 KiB hot read, of plain |\n|---|---|---|---|---|---|---|\n")
	for _, size := range []int64{b.wide / 64, b.wide / 8, b.wide, b.wide * 16} {
		blocks := scattered(size, max(16, b.sizes.hot/16))
		base, err := b.sparse(r, fmt.Sprint("size-", size), size, blocks)
		if err != nil {
			return err
		}
		c, err := b.costOfClones(r, base, min(10, b.clones))
		if err != nil {
			return err
		}
		of, err := b.hotClone(r, fmt.Sprint("hot-", size), base, size, blocks)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "| %s | %s | %s | %s | %.1f KiB | %.1f KiB | %.2f |\n", gib(size),
			short(c.make), short(c.open), short(c.first), float64(c.disk)/1024, float64(c.memory)/1024, of)
	}
	return nil
}

// hotClone returns the time of a hot read of a plain file over that of a
// clone, both with data in the given blocks.
func (b *bench) hotClone(r *room, id, base string, size int64, blocks []int64) (float64, error) {
	v, err := r.clone(id, base)
	if err != nil {
		return 0, err
	}
	p, err := r.plain(id, size)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(put(p, blocks), b.evict(r), b.fill(blocks, p, v)); err != nil {
		return 0, err
	}
	t, err := b.hot(blocks, p, v)
	if err != nil {
		return 0, err
	}
	return t.ratio, errors.Join(v.Close(), p.remove())
}

func (b *bench) byDepth(r *room) error {
	size := b.sizes.image / 4
	base, err := b.image(r, size)
	if err != nil {
		return err
	}
	blocks := shuffled(size)
	p, err := r.plain("plain", size)
	if err != nil {
		return err
	}
	if err := fill(p, size); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| layers | clone | open, as the first | 4 KiB hot read, of plain |\n|---|---|---|---|\n")
	for _, depth := range []int{1, b.depth / 4, b.depth, b.depth * 3} {
		c, err := b.deepClone(r, base, size, depth)
		if err != nil {
			return err
		}
		if err := errors.Join(b.evict(r), b.fill(blocks, p, c.v)); err != nil {
			return err
		}
		t, err := b.hot(blocks, p, c.v)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "| %d | %s | %s | %.2f |\n", depth, short(c.made), short(c.opened), t.ratio)
		if err := c.v.Close(); err != nil {
			return err
		}
	}
	return p.Close()
}

type deepClone struct {
	v            *cow.Volume
	made, opened time.Duration
}

// deepClone makes a chain, closes it and opens a clone of its top.
func (b *bench) deepClone(r *room, base string, size int64, depth int) (c deepClone, err error) {
	id := fmt.Sprint("depth-", depth)
	v, err := b.chain(r, id, base, depth-1, strewn(size))
	if err != nil {
		return c, err
	}
	if err := v.Close(); err != nil {
		return c, err
	}
	top, err := r.eng.Volume(id)
	if err != nil {
		return c, err
	}
	start := time.Now()
	if _, err := r.eng.CreateVolume(cow.VolumeSpec{ID: id + "-clone", Base: top.Base}); err != nil {
		return c, err
	}
	c.made = time.Since(start)
	start = time.Now()
	c.v, err = r.eng.OpenVolume(id + "-clone")
	c.opened = time.Since(start)
	return c, err
}

func (b *bench) byNumber(r *room) error {
	base, err := b.sparse(r, "crowd", b.wide, everywhere(b.wide))
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| clones | the next one | opening the folder |\n|---|---|---|\n")
	made := 0
	for _, n := range []int{1, b.clones / 100, b.clones / 10, b.clones} {
		var times []time.Duration
		for ; made < n; made++ {
			start := time.Now()
			if _, err := r.eng.CreateVolume(cow.VolumeSpec{ID: fmt.Sprint("one-of-many-", made), Base: base}); err != nil {
				return err
			}
			times = append(times, time.Since(start))
		}
		if len(times) == 0 {
			continue
		}
		if err := r.close(); err != nil {
			return err
		}
		opened, err := b.openFolder(r.data())
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "| %d | %s | %s |\n", n, short(quantile(times[len(times)*9/10:], 0.5)), short(opened))
		if err := b.start(r); err != nil {
			return err
		}
	}
	return nil
}
