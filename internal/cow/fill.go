package cow

import (
	"bytes"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// WriteAt writes any aligned range. Blocks that are all zeros are noted, not
// stored.
func (b *LayerBuilder) WriteAt(p []byte, off int64) (n int, err error) {
	if err := block.CheckRange(b.over.size, off, int64(len(p))); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, block.ErrClosed
	}
	for n < len(p) {
		m, err := b.writeSome(p[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// writeSome writes one part of a block, or a run of whole blocks that are all
// zeros or all not.
func (b *LayerBuilder) writeSome(p []byte, off int64) (int, error) {
	first := off >> blockShift
	length := b.blockLength(first)
	if off%BlockSize != 0 || len(p) < length {
		n := min(len(p), length-int(off%BlockSize))
		return n, b.writePart(p[:n], off)
	}
	n, nought := length, isZero(p[:length])
	for n < len(p) {
		next := b.blockLength((off + int64(n)) >> blockShift)
		if len(p)-n < next || isZero(p[n:n+next]) != nought {
			break
		}
		n += next
	}
	if nought {
		return n, b.eraseBlocks(first, blocksFor(int64(n)))
	}
	return n, b.storeBlocks(p[:n], off)
}

// blockLength is BlockSize but for the last block of a disk of odd size.
func (b *LayerBuilder) blockLength(at int64) int {
	return int(min(BlockSize, b.over.size-at<<blockShift))
}

func (b *LayerBuilder) writePart(p []byte, off int64) error {
	at := off >> blockShift
	var buf [BlockSize]byte
	if err := b.over.fill(&buf, at); err != nil {
		return err
	}
	copy(buf[off%BlockSize:], p)
	whole := buf[:b.blockLength(at)]
	if isZero(whole) {
		return b.eraseBlocks(at, 1)
	}
	return b.storeBlocks(whole, at<<blockShift)
}

// storeBlocks stores whole blocks, the last one of the disk perhaps short, but
// those that need not be.
func (b *LayerBuilder) storeBlocks(p []byte, off int64) error {
	if !b.skipSame || b.over.base == nil {
		return b.store(p, off)
	}
	for len(p) > 0 {
		same, n, err := b.sameRun(p, off)
		if err != nil {
			return err
		}
		if same {
			err = b.forget(off>>blockShift, blocksFor(int64(n)), below)
		} else {
			err = b.store(p[:n], off)
		}
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (b *LayerBuilder) store(p []byte, off int64) error {
	first, n := off>>blockShift, blocksFor(int64(len(p)))
	if fresh := n - b.own.here(first, n); fresh > 0 {
		if err := b.e.space.take(fresh << blockShift); err != nil {
			return err
		}
	}
	if _, err := b.data.WriteAt(p, off); err != nil {
		return ioError(err)
	}
	b.own.set(first, n, here)
	b.unsent.add(b.data, off, int64(len(p)))
	return nil
}

// unsent is what was written and not yet sent to the disk, in bytes. Sent early,
// it is being written while the rest is still being read; otherwise the sync at
// the end would have to wait for all of it.
type unsent struct{ from, to, n int64 }

// sendSize is worth a call.
const sendSize = 16 << 20

func (u *unsent) add(f vfs.File, off, n int64) {
	if u.n == 0 {
		u.from, u.to = off, off+n
	}
	u.from, u.to, u.n = min(u.from, off), max(u.to, off+n), u.n+n
	if u.n >= sendSize {
		f.WriteOut(u.from, u.to-u.from)
		*u = unsent{}
	}
}

// sameRun reports whether the first block of p is what the parent has there,
// and for how many bytes that answer holds, of at most one MiB.
func (b *LayerBuilder) sameRun(p []byte, off int64) (same bool, n int, err error) {
	parent := newView(b.over.size, b.over.base, b.over.size)
	p = p[:min(len(p), chunkSize)]
	was := make([]byte, len(p))
	if _, err := parent.ReadAt(was, off); err != nil {
		return false, 0, err
	}
	for n < len(p) {
		end := min(n+BlockSize, len(p))
		is := bytes.Equal(p[n:end], was[n:end])
		if n > 0 && is != same {
			break
		}
		same, n = is, end
	}
	return same, n, nil
}

func (b *LayerBuilder) eraseBlocks(first, n int64) error {
	parent := newView(b.over.size, b.over.base, b.over.size)
	if parent.isZeroAt(first, n) {
		return b.forget(first, n, below)
	}
	if !b.skipSame {
		return b.forget(first, n, zero)
	}
	for end := first + n; first < end; first++ { // zeros that the parent has stored
		s := below
		if !parent.isZeroAt(first, 1) {
			var buf [BlockSize]byte
			if err := parent.fill(&buf, first); err != nil {
				return err
			}
			if !isZero(buf[:]) {
				s = zero
			}
		}
		if err := b.forget(first, 1, s); err != nil {
			return err
		}
	}
	return nil
}

// forget gives blocks a state in which nothing is stored for them.
func (b *LayerBuilder) forget(first, n int64, s state) error {
	if b.own.here(first, n) > 0 {
		if err := b.data.Punch(first<<blockShift, n<<blockShift); err != nil {
			return ioError(err)
		}
	}
	b.own.set(first, n, s)
	return nil
}

// Unmap makes any aligned range zeros, whatever the parent has there.
func (b *LayerBuilder) Unmap(off, n int64) error {
	if err := block.CheckRange(b.over.size, off, n); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return block.ErrClosed
	}
	for n > 0 {
		first, step := off>>blockShift, n
		whole := n >> blockShift
		if off+n == b.over.size {
			whole = blocksFor(n)
		}
		var err error
		if off%BlockSize == 0 && whole > 0 {
			step = min(n, whole<<blockShift)
			err = b.eraseBlocks(first, whole)
		} else {
			step = min(n, BlockSize-off%BlockSize)
			err = b.writePart(zeros[:step], off)
		}
		if err != nil {
			return err
		}
		off, n = off+step, n-step
	}
	return nil
}
