package cowbench

import (
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
)

// rung is a clone of one of the images of a long chain.
type rung struct {
	name string
	v    *cow.Volume
	of   [2]float64 // how fast it is, of a clone of the first: see depths
}

// depths measures how hot reads depend on the number of layers of upgrades, each
// an image: from a page cache that 4 KiB reads have filled, and from one that
// reads of 1 MiB have.
func (b *bench) depths(r *room) error {
	images, err := b.upgrades(r)
	if err != nil {
		return err
	}
	var all []*rung
	for _, n := range []int{1, 2, 3, 5, 9, 16, 20} {
		if n > len(images) {
			break
		}
		x := &rung{name: fmt.Sprint(n)}
		if x.v, err = r.clone("rung-"+x.name, images[n-1]); err != nil {
			return err
		}
		all = append(all, x)
	}
	if err := b.climb(r, all[0], all...); err != nil {
		return err
	}
	flat := &rung{name: fmt.Sprint(len(images), ", flattened")}
	top := images[len(images)-1]
	if err := r.eng.FlattenLayer(b.ctx, top, nil); err != nil {
		return err
	}
	if flat.v, err = r.clone("flat", top); err != nil {
		return err
	}
	all = append(all, flat)
	if err := b.climb(r, all[0], flat); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| layers of upgrades | 4 KiB hot read, of one layer | …, page cache filled by 1 MiB reads |\n|---|---|---|\n")
	for _, x := range all {
		fmt.Fprintf(b.out, "| %s | %.2f | %.2f |\n", x.name, x.of[0], x.of[1])
		if err := x.v.Close(); err != nil {
			return err
		}
	}
	return nil
}

// upgrades makes a chain of images, each an upgrade of the one before.
func (b *bench) upgrades(r *room) (images []string, err error) {
	base, err := b.image(r, b.sizes.image)
	if err != nil {
		return nil, err
	}
	v, err := r.clone("upgraded", base)
	if err != nil {
		return nil, err
	}
	changes := asUpgrades(b.sizes.image)
	for images = []string{base}; len(images) < b.depth; {
		if err := change(v, changes(len(images))); err != nil {
			return nil, err
		}
		l, err := r.eng.Commit("upgraded", "")
		if err != nil {
			return nil, err
		}
		images = append(images, l.ID)
	}
	return images, v.Close()
}

// climb measures some clones beside one.
func (b *bench) climb(r *room, one *rung, all ...*rung) error {
	blocks := shuffled(b.sizes.image)
	for i, fill := range []func(d disk) error{
		func(d disk) error { return touch(b.ctx, blocks, d) },
		func(d disk) error { return readThrough(d, b.sizes.image, int(b.sizes.image>>20))() },
	} {
		err := errors.Join(evict(r.dir), fill(one.v))
		for _, x := range all {
			err = errors.Join(err, fill(x.v))
		}
		if err != nil {
			return err
		}
		for _, x := range all {
			t, err := b.hot(blocks, one.v, x.v)
			if err != nil {
				return err
			}
			x.of[i] = float64(t[0]) / float64(t[1])
		}
	}
	return nil
}
