package cowbench

import (
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/cow"
)

// image makes a layer full of data, by the builder, as an import does.
func (b *bench) image(r *room, size int64) (string, error) {
	lb, err := r.eng.NewLayer(size)
	if err != nil {
		return "", err
	}
	p := pattern(1 << 20)
	for off := int64(0); off < size; off += int64(len(p)) {
		if _, err := lb.WriteAt(p, off); err != nil {
			return "", errors.Join(err, lb.Abort())
		}
	}
	info, err := lb.Seal(b.ctx)
	if err != nil {
		return "", errors.Join(err, lb.Abort())
	}
	return info.ID, nil
}

// chain puts n layers of changes upon a layer.
func (b *bench) chain(r *room, id, base string, n int, changes func(layer int) []extent) (*cow.Volume, error) {
	v, err := r.clone(id, base)
	if err != nil {
		return nil, err
	}
	for i := range n {
		if err := change(v, changes(i)); err != nil {
			return nil, err
		}
		if _, err := r.eng.Snapshot(id, fmt.Sprint("s", i)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// reads measures hot reads of an image that is full of data.
func (b *bench) reads(r *room) error {
	base, err := b.image(r, b.sizes.image)
	if err != nil {
		return err
	}
	one, err := r.clone("one", base)
	if err != nil {
		return err
	}
	deep, err := b.chain(r, "deep", base, b.depth-1, strewn(b.sizes.image))
	if err != nil {
		return err
	}
	upgraded, err := b.chain(r, "upgraded", base, b.depth-1, asUpgrades(b.sizes.image))
	if err != nil {
		return err
	}
	files, err := b.manyFiles(r, b.sizes.image, b.depth)
	if err != nil {
		return err
	}
	mixed, err := r.clone("mixed", base)
	if err != nil {
		return err
	}
	half := b.sizes.image / 4
	if err := everySecond(mixed, half); err != nil {
		return err
	}
	p, err := r.plain("plain", b.sizes.image)
	if err != nil {
		return err
	}
	if err := fill(p, b.sizes.image); err != nil {
		return err
	}
	if err := b.sequential(r, p, one, mixed, half); err != nil {
		return err
	}
	if err := b.random(r, p, one, deep, upgraded, files); err != nil {
		return err
	}
	if err := errors.Join(one.Close(), deep.Close(), upgraded.Close(), mixed.Close(), p.Close(), files.Close()); err != nil {
		return err
	}
	return b.merged(r)
}

// merged measures the long chain once its snapshots are gone and the background
// has done what there is to do, as it would have without this benchmark.
func (b *bench) merged(r *room) (err error) {
	for i := range b.depth - 1 {
		if err := r.eng.RemoveSnapshot("deep", fmt.Sprint("s", i)); err != nil {
			return err
		}
	}
	if err := r.close(); err != nil {
		return err
	}
	if r.eng, err = cow.Open(r.data(), cow.Options{FS: b.fs}); err != nil {
		return err
	}
	if err := r.eng.Settle(b.ctx); err != nil {
		return err
	}
	one, err := r.eng.OpenVolume("one")
	if err != nil {
		return err
	}
	deep, err := r.eng.OpenVolume("deep")
	if err != nil {
		return err
	}
	info, err := r.eng.Volume("deep")
	all := shuffled(b.sizes.image)
	if err := errors.Join(err, b.evict(r), b.fill(all, one, deep)); err != nil {
		return err
	}
	t, err := b.hot(all, one, deep)
	if err != nil {
		return err
	}
	b.hotRow(fmt.Sprintf("… their snapshots removed: merged to %d in the background, against one", info.Depth), t, 0.95)
	return errors.Join(one.Close(), deep.Close())
}

// random measures hot 4 KiB reads from a page cache that such reads have
// filled. A file that was copied in one go lies there in larger pieces, which
// are faster, and one that was written block by block does not: that would be
// a comparison of histories.
func (b *bench) random(r *room, p, one, deep, upgraded, files disk) error {
	all, size := shuffled(b.sizes.image), gib(b.sizes.image)
	pairs := []struct {
		name string
		a, b disk
		goal float64
	}{
		{"4 KiB random read, hot, " + size + " image", p, one, 0.95},
		{fmt.Sprintf("… through %d layers of upgrades", b.depth), p, upgraded, 0},
		{fmt.Sprintf("… %d layers of upgrades against one", b.depth), one, upgraded, 0},
		{fmt.Sprintf("… through %d strewn layers", b.depth), p, deep, 0},
		{fmt.Sprintf("… %d strewn layers against one", b.depth), one, deep, 0},
		{fmt.Sprintf("… %d strewn layers against as many plain files with the same blocks", b.depth), files, deep, 0},
	}
	if err := errors.Join(b.evict(r), b.fill(all, p, one, deep, upgraded, files)); err != nil {
		return err
	}
	for _, x := range pairs {
		t, err := b.hot(all, x.a, x.b)
		if err != nil {
			return err
		}
		b.hotRow(x.name, t, x.goal)
	}
	return nil
}

// perOp divides times by the operations of a batch.
func perOp(n int) func([]time.Duration, error) ([]time.Duration, error) {
	return func(d []time.Duration, err error) ([]time.Duration, error) {
		for i := range d {
			d[i] /= time.Duration(n)
		}
		return d, err
	}
}

func everySecond(d disk, size int64) error {
	var odd []int64
	for x := int64(1); x < size/blockSize; x += 2 {
		odd = append(odd, x)
	}
	return put(d, odd)
}

// sequential measures hot reads of 1 MiB from a page cache that such reads have
// filled: how large its pieces are depends on how they came there. Where single
// blocks were written and never left it, they are small.
func (b *bench) sequential(r *room, p, one, mixed disk, size int64) error {
	t, err := perOp(4)(turns(b.ctx, b.turns/4+1, readThrough(p, size, 4), readThrough(mixed, size, 4)))
	if err != nil {
		return err
	}
	b.atLeast("1 MiB sequential read, every second block just written to the overlay", t[0], t[1], 0)
	if err := b.evict(r); err != nil {
		return err
	}
	for _, d := range []disk{p, one, mixed} {
		if err := readThrough(d, size, int(size>>20))(); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		name string
		d    disk
		goal float64
	}{
		{"1 MiB sequential read, unfragmented", one, 0.97},
		{"… every second block in the overlay", mixed, 0.45},
	} {
		t, err := perOp(4)(turns(b.ctx, b.turns, readThrough(p, size, 4), readThrough(x.d, size, 4)))
		if err != nil {
			return err
		}
		b.atLeast(x.name, t[0], t[1], x.goal)
	}
	return nil
}

// wideReads measures hot reads through a map that does not fit into the
// processor's caches.
func (b *bench) wideReads(r *room) error {
	blocks := scattered(b.wide, b.sizes.hot)
	base, err := b.sparse(r, "base", b.wide, blocks)
	if err != nil {
		return err
	}
	v, err := r.clone("v", base)
	if err != nil {
		return err
	}
	p, err := r.plain("plain", b.wide)
	if err != nil {
		return err
	}
	if err := errors.Join(put(p, blocks), b.evict(r), b.fill(blocks, p, v)); err != nil {
		return err
	}
	t, err := b.hot(blocks, p, v)
	if err != nil {
		return err
	}
	b.hotRow(fmt.Sprintf("4 KiB random read, hot, %d blocks all over a %s map", len(blocks), gib(b.wide)), t, 0.85)
	return errors.Join(v.Close(), p.Close())
}
