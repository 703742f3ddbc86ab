package cowbench

import (
	"errors"
	"fmt"
	"time"
)

// removing measures how much the freeing of a volume of scattered blocks holds
// up another one that writes and syncs.
func (b *bench) removing(r *room) error {
	other, err := r.blank("other", b.written/4)
	if err != nil {
		return err
	}
	if err := fill(other, b.written/4); err != nil {
		return err
	}
	if err := b.doom(r); err != nil {
		return err
	}
	order, alone := shuffled(b.written/4), time.Duration(b.rounds)*2*time.Second
	if b.rounds == 1 {
		alone = 50 * time.Millisecond
	}
	before, err := b.flushTimes(other, order, func() bool { return true }, alone)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := r.eng.RemoveVolume("doomed"); err != nil {
		return err
	}
	removed := time.Since(start)
	meanwhile, err := b.flushTimes(other, order, func() bool { return r.eng.Freeing() > 0 }, time.Minute)
	if err != nil {
		return err
	}
	for r.eng.Freeing() > 0 && b.ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(start)
	after, err := b.flushTimes(other, order, func() bool { return true }, alone)
	if err != nil {
		return err
	}
	p99, free := quantile(append(before, after...), 0.99), quantile(meanwhile, 0.99)
	b.row(fmt.Sprintf("removing a volume of %d scattered blocks", b.doomed), fmt.Sprintf("%s, freed after %s", short(removed), short(took)), "", true)
	b.row("… p99 of another's write and flush meanwhile, against alone",
		fmt.Sprintf("%.2f × (%s; alone %s)", float64(free)/float64(p99), short(free), short(p99)), "≤ 2 ×", free <= 2*p99)
	return other.Close()
}

// doom makes the volume that is to be removed.
func (b *bench) doom(r *room) error {
	v, err := r.blank("doomed", b.wide)
	if err != nil {
		return err
	}
	return errors.Join(put(v, scattered(b.wide, b.doomed)), v.Close())
}

// flushTimes writes and flushes block by block for as long as it may and
// returns how long each took.
func (b *bench) flushTimes(d disk, blocks []int64, more func() bool, limit time.Duration) (all []time.Duration, err error) {
	p := pattern(blockSize)
	for i, end := 0, time.Now().Add(limit); len(all) < 100 || more() && time.Now().Before(end); i++ {
		start := time.Now()
		if _, err := d.WriteAt(p, blocks[i%len(blocks)]*blockSize); err != nil {
			return nil, err
		}
		if err := d.Flush(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}
