package cowbench

import (
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/cow"
)

// pageCache has many clones read the same at once and counts what the page
// cache then holds.
func (b *bench) pageCache(r *room) error {
	base, err := b.image(r, b.shared)
	if err != nil {
		return err
	}
	clones := make([]*cow.Volume, b.guests)
	for i := range clones {
		if clones[i], err = r.clone(fmt.Sprint("v", i), base); err != nil {
			return err
		}
	}
	if err := b.evict(r); err != nil {
		return err
	}
	before, err := cached(r.data())
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, v := range clones {
		g.Go(func() error {
			p := make([]byte, 64<<10)
			for off := int64(0); off < b.shared; off += int64(len(p)) {
				if _, err := v.ReadAt(p, off); err != nil {
					return err
				}
			}
			return b.ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	after, err := cached(r.data())
	if err != nil {
		return err
	}
	times := float64(after-before) / float64(b.shared)
	b.row(fmt.Sprintf("page cache after %d clones have read the same %s", b.guests, gib(b.shared)),
		fmt.Sprintf("%.2f × that", times), "once", times < 1.05)
	var errs []error
	for _, v := range clones {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}
