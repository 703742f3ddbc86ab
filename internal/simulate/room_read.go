package simulate

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/quantile"
	"bootes.dev/internal/trace"
)

// roomDisk is what a machine of a room reads from.
type roomDisk interface {
	ReadAt(ctx context.Context, p []byte, off int64) error
	Size() int64
}

var _ roomDisk = (*initiator.Disk)(nil)

// roomReader does the recorded READs on one disk after the other, and compares what
// the machines get: it is the same image.
type roomReader struct {
	*Room
	reads []trace.Read
	end   int64 // of what is read, on the disk
	bytes atomic.Int64
	sums  []atomic.Uint64 // by READ: of its data, and the bit summed
	pools [64]sync.Pool   // buffers, by the bits of their length

	mu    sync.Mutex
	times quantile.Histogram
}

// summed tells a sum from none.
const summed = 1 << 32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newRoomReader(room *Room) *roomReader {
	r := &roomReader{Room: room, reads: room.Trace.Reads, sums: make([]atomic.Uint64, len(room.Trace.Reads))}
	for _, x := range r.reads {
		r.end = max(r.end, x.Offset+x.Length)
	}
	return r
}

// read does all READs, one after the other.
func (r *roomReader) read(ctx context.Context, d roomDisk) error {
	if size := d.Size(); size < r.end {
		return fmt.Errorf("the disk has %d bytes, and what was recorded reads up to %d: it is another image's", size, r.end)
	}
	var times quantile.Histogram
	defer func() {
		r.mu.Lock()
		r.times.Merge(&times)
		r.mu.Unlock()
	}()
	began := time.Now()
	for i := range r.reads {
		if r.Paced && !sleep(ctx, time.Until(began.Add(r.reads[i].At))) {
			return ctx.Err()
		}
		start := time.Now()
		if err := r.one(ctx, d, i); err != nil {
			return err
		}
		times.Add(time.Since(start))
	}
	return nil
}

func (r *roomReader) one(ctx context.Context, d roomDisk, i int) error {
	x := r.reads[i]
	b := r.buffer(int(x.Length))
	defer r.pools[bits.Len(uint(x.Length))].Put(b)
	p := (*b)[:x.Length]
	err := patiently(ctx, r.Patience, func(ctx context.Context) error { return d.ReadAt(ctx, p, x.Offset) })
	if err != nil {
		return &alike{"READ failed", err}
	}
	r.bytes.Add(x.Length)
	sum := summed | uint64(crc32.Checksum(p, castagnoli))
	if !r.sums[i].CompareAndSwap(0, sum) && r.sums[i].Load() != sum {
		return errDiffers
	}
	return nil
}

// errDiffers is a fault of the server, or of the network.
var errDiffers = errors.New("its data are not what another machine read in the same place")

func (r *roomReader) buffer(n int) *[]byte {
	if b, ok := r.pools[bits.Len(uint(n))].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 1<<bits.Len(uint(n)))
	return &b
}

func (r *roomReader) latency() *quantile.Histogram {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.times
}
