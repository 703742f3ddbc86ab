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
	of   []versus // a clone of the first, from each filling of the page cache
	goal float64
}

// depths measures how hot reads depend on the number of layers of upgrades, each
// an image: from a page cache that 4 KiB reads have filled, and from one that
// reads of 1 MiB have.
func (b *bench) depths(r *room) error {
	images, err := b.upgrades(r, min(b.depth, 16))
	if err != nil {
		return err
	}
	var all []*rung
	for _, n := range []int{1, 2, 3, 5, 9, 16} {
		if n > len(images) {
			break
		}
		x := &rung{name: fmt.Sprint(n)} // that of 1 says what a difference of nothing looks like
		if x.v, err = r.clone("rung-"+x.name, images[n-1]); err != nil {
			return err
		}
		all = append(all, x)
	}
	one, err := r.clone("one", images[0])
	if err != nil {
		return err
	}
	if err := b.climb(r, one, all...); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| layers of upgrades | 4 KiB hot read, of one layer | …, page cache filled by 1 MiB reads |\n|---|---|---|\n")
	for _, x := range all {
		fmt.Fprintf(b.out, "| %s | %s | %s |\n", x.name, x.of[0], x.of[1])
		if err := x.v.Close(); err != nil {
			return err
		}
	}
	return one.Close()
}

// upgrades makes a chain of n images, each an upgrade of the one before.
func (b *bench) upgrades(r *room, n int) (images []string, err error) {
	base, err := b.image(r, b.sizes.image)
	if err != nil {
		return nil, err
	}
	v, err := r.clone("upgraded", base)
	if err != nil {
		return nil, err
	}
	changes := asUpgrades(b.sizes.image)
	for images = []string{base}; len(images) < n; {
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
func (b *bench) climb(r *room, one *cow.Volume, all ...*rung) error {
	blocks := shuffled(b.sizes.image)
	for _, fill := range []func(d disk) error{
		func(d disk) error { return b.fill(blocks, d) },
		func(d disk) error { return readThrough(d, b.sizes.image, int(b.sizes.image>>20))() },
	} {
		err := errors.Join(b.evict(r), fill(one))
		for _, x := range all {
			err = errors.Join(err, fill(x.v))
		}
		if err != nil {
			return err
		}
		for _, x := range all {
			t, err := b.hot(blocks, one, x.v)
			if err != nil {
				return err
			}
			x.of = append(x.of, t)
		}
	}
	return nil
}
