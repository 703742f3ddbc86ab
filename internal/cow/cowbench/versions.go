package cowbench

import (
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/goals"
)

// versions measures a chain of named versions as the background leaves it, and
// what another volume's syncs feel of its copy.
func (b *bench) versions(r *room) error {
	images, err := b.upgrades(r, b.depth)
	if err != nil {
		return err
	}
	twin, err := b.image(r, b.sizes.image)
	if err != nil {
		return err
	}
	if err := b.besideTheCopy(r, images[len(images)-1]); err != nil {
		return err
	}
	one, err := r.clone("one", images[0])
	if err != nil {
		return err
	}
	longest := images[0]
	for _, id := range images {
		if b.layers(r, id) > b.layers(r, longest) {
			longest = id
		}
	}
	var all []*rung
	for _, x := range []struct {
		name, image string
		goal        float64
	}{
		{"another image of the same content", twin, 0},
		{"the last of %d named versions, in %d layers", images[len(images)-1], 0.95},
		{"the one of %d in the longest chain, of %d layers", longest, 0.95},
	} {
		v, err := r.clone(fmt.Sprint("v", len(all)), x.image)
		if err != nil {
			return err
		}
		if x.goal > 0 {
			x.name = fmt.Sprintf(x.name, len(images), b.layers(r, x.image))
		}
		all = append(all, &rung{name: x.name, v: v, goal: x.goal})
	}
	if err := b.again(r, one, all...); err != nil {
		return err
	}
	return one.Close()
}

func (b *bench) layers(r *room, image string) int {
	l, _ := r.eng.Layer(image)
	return l.Depth
}

// again measures some clones beside one from several fillings of the page cache:
// which memory a page gets decides about its speed, too, and it is a matter of
// luck.
func (b *bench) again(r *room, one *cow.Volume, all ...*rung) error {
	blocks := shuffled(b.sizes.image)
	for range b.fillings {
		err := errors.Join(b.evict(r), b.fill(blocks, one))
		for _, x := range all {
			err = errors.Join(err, b.fill(blocks, x.v))
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
	for i, x := range all {
		var ratios []float64
		each := ""
		for _, t := range x.of {
			ratios = append(ratios, t.ratio)
			each += fmt.Sprintf(", %.2f", t.ratio)
		}
		name := "… " + x.name
		if i == 0 {
			name = "4 KiB random read, hot, against one layer: " + x.name
		}
		median := quantile(ratios, 0.5)
		b.row(name, fmt.Sprintf("%.2f (%s)", median, each[2:]), goals.AtLeast(x.goal), median >= x.goal)
		if err := x.v.Close(); err != nil {
			return err
		}
	}
	return nil
}

// besideTheCopy lets the background copy what lies beneath the last version, as
// the product does, and measures another volume's syncs before and meanwhile.
func (b *bench) besideTheCopy(r *room, top string) error {
	other, err := r.blank("other", b.written/4)
	if err != nil {
		return err
	}
	if err := fill(other, b.written/4); err != nil {
		return err
	}
	order := shuffled(b.written / 4)
	alone, atMost := time.Duration(b.rounds)*2*time.Second, 30*time.Second
	if b.rounds == 1 {
		alone, atMost = 50*time.Millisecond, 50*time.Millisecond
	}
	if err := r.eng.Settle(b.ctx); err != nil { // the digests
		return err
	}
	before, err := b.flushTimes(other, order, func() bool { return true }, alone)
	if err != nil {
		return err
	}
	if err := r.close(); err != nil {
		return err
	}
	if r.eng, err = cow.Open(r.data(), cow.Options{FS: b.fs}); err != nil { // as the product does
		return err
	}
	if other, err = r.eng.OpenVolume("other"); err != nil {
		return err
	}
	start := time.Now()
	deep := func() bool { return b.layers(r, top) == b.depth }
	meanwhile, err := b.flushTimes(other, order, deep, atMost)
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := errors.Join(r.eng.Settle(b.ctx), other.Close()); err != nil {
		return err
	}
	p99, beside := quantile(before, 0.99), quantile(meanwhile, 0.99)
	b.row(fmt.Sprintf("p99 of another's write and flush during the first %s of the background's copy of %d layers, against alone", short(took), b.depth),
		fmt.Sprintf("%.2f × (%s; alone %s)", float64(beside)/float64(p99), short(beside), short(p99)), "≤ 2 ×", beside <= 2*p99)
	return nil
}
