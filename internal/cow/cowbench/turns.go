package cowbench

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// contender does one batch of work on what it measures.
type contender func() error

// turns has each contender do a batch, n times over, and returns the median
// time of each one's batch.
func turns(ctx context.Context, n int, all ...contender) ([]time.Duration, error) {
	took, err := takeTurns(ctx, n, all...)
	if err != nil {
		return nil, err
	}
	medians := make([]time.Duration, len(all))
	for i := range took {
		medians[i] = quantile(took[i], 0.5)
	}
	return medians, nil
}

// takeTurns returns the time of each batch of each contender. Who begins
// changes, as what the other leaves in the processor's caches does.
func takeTurns(ctx context.Context, n int, all ...contender) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(all))
	for turn := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for k := range all {
			i := (turn + k) % len(all)
			start := time.Now()
			if err := all[i](); err != nil {
				return nil, err
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	return took, nil
}

func quantile[T cmp.Ordered](d []T, q float64) T {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(float64(len(s))*q))]
}

// disk is a volume, or a plain file.
type disk interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Flush() error
}

// readBlocks reads n random ones of the blocks.
func readBlocks(d disk, blocks []int64, n int) contender {
	p := make([]byte, blockSize)
	return func() error {
		for range n {
			if _, err := d.ReadAt(p, blocks[rand.IntN(len(blocks))]*blockSize); err != nil {
				return err
			}
		}
		return nil
	}
}

// readThrough reads the first size bytes over and over, a MiB at a time.
func readThrough(d disk, size int64, n int) contender {
	p, next := make([]byte, 1<<20), int64(0)
	return func() error {
		for range n {
			if _, err := d.ReadAt(p, next); err != nil {
				return err
			}
			next = (next + int64(len(p))) % size
		}
		return nil
	}
}

// writeBlocks writes 32 of the blocks at a time, in their order, and flushes
// after so many.
func writeBlocks(d disk, blocks []int64, flush int) contender {
	p, next := pattern(blockSize), 0
	return func() error {
		for i := range 32 {
			if _, err := d.WriteAt(p, blocks[next%len(blocks)]*blockSize); err != nil {
				return err
			}
			next++
			if i%flush == flush-1 {
				if err := d.Flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// shuffled returns the blocks of a disk in a random order, the same each time.
func shuffled(size int64) []int64 {
	all := make([]int64, size/blockSize)
	for i, b := range rand.New(rand.NewPCG(1, 1)).Perm(len(all)) {
		all[i] = int64(b)
	}
	return all
}

// scattered returns n blocks strewn evenly over a disk, in a random order.
func scattered(size int64, n int) []int64 {
	rng := rand.New(rand.NewPCG(2, 2))
	all, each := make([]int64, n), size/blockSize/int64(n)
	for i, k := range rng.Perm(n) {
		all[i] = int64(k)*each + rng.Int64N(each)
	}
	return all
}

// pattern is data that nobody takes for zeros.
func pattern(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}
