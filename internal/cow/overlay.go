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

// overlay is one set of own blocks over a base: a volume, or a layer that is
// being made.
type overlay struct {
	size   int64
	blocks int64
	own    presence
	data   vfs.File
	base   *chain // nil: zeros
}

func newOverlay(size int64, base *chain) overlay {
	n := blocksFor(size)
	return overlay{size: size, blocks: n, own: newPresence(n), base: base}
}

// dataLength of a data file: whole blocks, so that the last one can be read
// whole.
func dataLength(size int64) int64 { return blocksFor(size) << blockShift }

// ReadAt reads any range within the size, in one pread for each run of blocks
// that come from the same file. It allocates nothing.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	done := 0
	for done < len(p) {
		at := off + int64(done)
		b := at >> blockShift
		from, n := o.own.run(b, blocksFor(end)-b)
		var source uint8
		if from == below {
			source, n = o.base.run(b, n)
		}
		part := p[done:min(len(p), done+int((b+n)<<blockShift-at))]
		if err := o.readRun(part, at, from, source); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

func (o *overlay) readRun(p []byte, off int64, from state, source uint8) error {
	switch {
	case from == here:
		_, err := readFull(o.data, p, off)
		return err
	case from == zero || source == 0:
		clear(p)
		return nil
	}
	return o.base.read(p, off, source)
}

// fill reads block b as it is now, for a write of a part of it. What lies
// beyond the end of the disk is zeros.
func (o *overlay) fill(p *[BlockSize]byte, b int64) error {
	n := min(BlockSize, o.size-b<<blockShift)
	clear(p[n:])
	_, err := o.ReadAt(p[:n], b<<blockShift)
	return err
}

// isZeroAt reports whether the maps alone say that a range of blocks is zeros.
func (o *overlay) isZeroAt(b, n int64) bool {
	for end := b + n; b < end; {
		from, run := o.own.run(b, end-b)
		if from == here || (from == below && !o.base.isZeroAt(b, run)) {
			return false
		}
		b += run
	}
	return true
}

func (c *chain) isZeroAt(b, n int64) bool {
	for end := b + n; b < end; {
		source, run := c.run(b, end-b)
		if source != 0 {
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
