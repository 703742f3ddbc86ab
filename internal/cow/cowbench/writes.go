package cowbench

import (
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
)

// writes measures 4 KiB random writes, to blocks that are there and to others.
func (b *bench) writes(r *room) error {
	base, err := b.image(r, 64<<20)
	if err != nil {
		return err
	}
	order := shuffled(b.written)
	for _, w := range []struct {
		name    string
		present bool
		flush   int
		goal    float64
	}{
		{"4 KiB random write, present blocks, flush every 32", true, 32, 0.90},
		{"4 KiB random write, first touch, flush every 32", false, 32, 0.85},
		{"4 KiB random write, first touch, flush every write", false, 1, 0.70},
		{"4 KiB random write, present blocks, flush every write", true, 1, 0},
	} {
		id := fmt.Sprintf("v-%v-%d", w.present, w.flush)
		v, err := r.volume(cow.VolumeSpec{ID: id, Base: base, Size: b.written})
		if err != nil {
			return err
		}
		p, err := r.plain(id, b.written)
		if err != nil {
			return err
		}
		if w.present {
			err = errors.Join(fill(v, b.written), fill(p, b.written))
		}
		if err != nil {
			return err
		}
		t, err := perOp(32)(turns(b.ctx, b.turns, writeBlocks(p, order, w.flush), writeBlocks(v, order, w.flush)))
		if err != nil {
			return err
		}
		b.atLeast(w.name, t[0], t[1], w.goal)
		if err := errors.Join(v.Close(), p.remove(), r.forget(id, "")); err != nil {
			return err
		}
	}
	return nil
}
