package cowbench

import (
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/cow"
)

// versions measures a chain of named versions before the background flattens it
// and as it leaves it, and what another volume's syncs feel of that.
func (b *bench) versions(r *room) error {
	images, err := b.upgrades(r)
	if err != nil {
		return err
	}
	other, err := r.blank("other", b.written/4)
	if err != nil {
		return err
	}
	if err := fill(other, b.written/4); err != nil {
		return err
	}
	top, order := images[len(images)-1], shuffled(b.written/4)
	for id, image := range map[string]string{"one": images[0], "deep": top} {
		v, err := r.clone(id, image)
		if err != nil {
			return err
		}
		if err := v.Close(); err != nil {
			return err
		}
	}
	if err := b.version(r, fmt.Sprintf("4 KiB random read, hot, %d named versions, before the background flattened them, against one", b.depth), 0); err != nil {
		return err
	}
	alone, atMost := time.Duration(b.rounds)*2*time.Second, time.Minute
	if b.rounds == 1 {
		alone, atMost = 50*time.Millisecond, 50*time.Millisecond
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
	deep := func() bool { l, err := r.eng.Layer(top); return err == nil && l.Depth == b.depth }
	meanwhile, err := b.flushTimes(other, order, deep, atMost)
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := errors.Join(r.eng.Settle(b.ctx), other.Close()); err != nil {
		return err
	}
	l, err := r.eng.Layer(top)
	if err != nil {
		return err
	}
	if err := b.version(r, fmt.Sprintf("… as the background leaves them, in %d layers, against one", l.Depth), 0.95); err != nil {
		return err
	}
	p99, beside := quantile(before, 0.99), quantile(meanwhile, 0.99)
	b.row(fmt.Sprintf("… p99 of another's write and flush during the first %s of it, against alone", short(took)),
		fmt.Sprintf("%.2f × (%s; alone %s)", float64(beside)/float64(p99), short(beside), short(p99)), "≤ 2 ×", beside <= 2*p99)
	return nil
}

// version measures a clone of the last version beside one of the first.
func (b *bench) version(r *room, name string, goal float64) error {
	one, err := r.eng.OpenVolume("one")
	if err != nil {
		return err
	}
	deep, err := r.eng.OpenVolume("deep")
	if err != nil {
		return err
	}
	all := shuffled(b.sizes.image)
	if err := errors.Join(evict(r.dir), touch(b.ctx, all, one, deep)); err != nil {
		return err
	}
	t, err := b.hot(all, one, deep)
	if err != nil {
		return err
	}
	b.atLeast(name, t[0], t[1], goal)
	return errors.Join(one.Close(), deep.Close())
}
