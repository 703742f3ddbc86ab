package cowbench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/goals"
)

// versus is what taking turns at hot reads gave: the median time of a read of
// each, and how fast the other is of one, turn by turn.
type versus struct {
	one, other       time.Duration
	ratio, low, high float64 // median and quartiles
}

// hot compares two disks, not more: those that share a file in a larger field
// would find it in the processor's caches.
func (b *bench) hot(blocks []int64, one, other disk) (x versus, err error) {
	if err := b.warm(blocks, one, other); err != nil {
		return x, err
	}
	n := b.hotReads
	took, err := takeTurns(b.ctx, b.hotTurns, readBlocks(one, blocks, n), readBlocks(other, blocks, n))
	if err != nil {
		return x, err
	}
	ratios := make([]float64, b.hotTurns)
	for i := range ratios {
		ratios[i] = float64(took[0][i]) / float64(took[1][i])
	}
	return versus{
		one: quantile(took[0], 0.5) / time.Duration(n), other: quantile(took[1], 0.5) / time.Duration(n),
		ratio: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75),
	}, nil
}

// warm reads all blocks of some disks until a pass is no faster than those
// before: where memory is a virtual machine's, a page's first dozen reads take
// several times what all later ones take.
func (b *bench) warm(blocks []int64, all ...disk) error {
	const most, lull = 12, 2
	best, since := time.Duration(1<<62), 0
	for range most {
		start := time.Now()
		if err := touch(b.ctx, blocks, all...); err != nil {
			return err
		}
		took := time.Since(start)
		if since++; took < best-best/32 {
			since = 0
		}
		if best = min(best, took); since == lull {
			break
		}
	}
	return nil
}

// touch reads each block once, one by one, so that the page cache of all
// disks consists of the same small pieces.
func touch(ctx context.Context, blocks []int64, all ...disk) error {
	p := make([]byte, blockSize)
	for _, d := range all {
		for _, x := range blocks {
			if _, err := d.ReadAt(p, x*blockSize); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// String is the ratio, its quartiles in brackets.
func (x versus) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", x.ratio, x.low, x.high) }

// fill reads each block once, some at once, which is faster from a disk; the page
// cache then consists of small pieces.
func (b *bench) fill(blocks []int64, all ...disk) error {
	const readers = 16
	var g errgroup.Group
	for part := range slices.Chunk(blocks, (len(blocks)+readers-1)/readers) {
		g.Go(func() error { return touch(b.ctx, part, all...) })
	}
	return g.Wait()
}

// hotRow prints a comparison.
func (b *bench) hotRow(what string, x versus, goal float64) {
	b.row(what, fmt.Sprintf("%s; %s; plain %s", x, short(x.other), short(x.one)),
		goals.AtLeast(goal), x.ratio >= goal)
}
