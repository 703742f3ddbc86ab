package cow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// view is how a disk reads: own blocks, if there are any, over as much of a
// base as shows through. It never changes but for the map behind own.
type view struct {
	size   int64
	blocks int64
	clip   int64     // blocks of the base that show through; zeros beyond
	base   *chain    // nil: zeros
	own    *presence // nil: no own blocks
	data   vfs.File  // of the own blocks
}

// newView has no own blocks yet. clip is in bytes, a multiple of BlockSize
// unless the whole base shows.
func newView(size int64, base *chain, clip int64) view {
	v := view{size: size, blocks: blocksFor(size), base: base}
	if base != nil {
		v.clip = min(blocksFor(clip), blocksFor(base.size))
	}
	return v
}

// ReadAt reads any range within the size. It allocates nothing.
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, end := off>>blockShift, blocksFor(off+int64(len(p)))
	from, source, n := v.run(b, end-b)
	if n < end-b {
		return v.readRuns(p, off)
	}
	if err := v.readRun(p, off, from, source); err != nil {
		return 0, err
	}
	return len(p), nil
}

// run returns where block b is to be read, and for how many blocks from it on,
// at most limit, that holds.
func (v *view) run(b, limit int64) (from state, source uint8, n int64) {
	n = limit
	if v.own != nil {
		from, n = v.own.run(b, limit)
	}
	if from == below {
		source, n = v.base.run(b, n, v.clip)
	}
	return from, source, n
}

func (v *view) readRun(p []byte, off int64, from state, source uint8) error {
	switch {
	case from == here:
		_, err := readFull(v.data, p, off)
		return err
	case from == zero || source == 0:
		clear(p)
		return nil
	}
	return v.base.read(p, off, source)
}

// fill reads block b as it is now, for a write of a part of it. What lies
// beyond the end of the disk is zeros.
func (v *view) fill(p *[BlockSize]byte, b int64) error {
	n := min(BlockSize, v.size-b<<blockShift)
	clear(p[n:])
	_, err := v.ReadAt(p[:n], b<<blockShift)
	return err
}

// isZeroAt reports whether the maps alone say that a range of blocks is zeros.
func (v *view) isZeroAt(b, n int64) bool {
	for end := b + n; b < end; {
		from, source, run := v.run(b, end-b)
		if from == here || (from == below && source != 0) {
			return false
		}
		b += run
	}
	return true
}

var zeros [1 << 16]byte

func isZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// ioError gives the host's errors the meaning that package block defines.
func ioError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return block.ErrClosed
	case errors.Is(err, io.EOF):
		return fmt.Errorf("data file is too short: %w", block.ErrCorrupt)
	}
	return noSpace(err)
}
