package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	rawChunk = 1 << 20
	rawBlock = 4096
)

// rawWriter copies a disk into a file. Blocks of zeros become holes.
type rawWriter struct {
	ctx         context.Context
	disk        Disk
	out         *os.File
	what        string // fails when out cannot be written
	done, total int64
	progress    func(done, total int64)
	buf         []byte
}

func (w *rawWriter) write(runs Runs) error {
	// Down to nothing first, so that all is one hole.
	if err := errors.Join(w.out.Truncate(0), w.out.Truncate(w.disk.Size())); err != nil {
		return &hostError{w.what, err}
	}
	w.buf = make([]byte, rawChunk)
	w.progress(0, w.total)
	return runs(func(off, n int64, zero bool) error {
		if zero {
			return nil
		}
		return w.run(off, off+n)
	})
}

func (w *rawWriter) run(off, end int64) error {
	for off < end {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		// Up to the next multiple of a chunk: reads and writes stay aligned.
		p := w.buf[:min(end, (off/rawChunk+1)*rawChunk)-off]
		if n, err := w.disk.ReadAt(p, off); n < len(p) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read disk at %d: %w", off, err)
		}
		if err := w.data(p, off); err != nil {
			return err
		}
		off += int64(len(p))
		w.done += int64(len(p))
		w.progress(w.done, w.total)
	}
	return nil
}

// data writes what of p is not zeros.
func (w *rawWriter) data(p []byte, off int64) error {
	for len(p) > 0 {
		n, zero := zeroRun(p)
		if !zero {
			if _, err := w.out.WriteAt(p[:n], off); err != nil {
				return &hostError{w.what, err}
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

var zeros [rawBlock]byte

// zeroRun is the number of bytes at the beginning of p that are blocks of
// zeros only, or blocks with data only.
func zeroRun(p []byte) (n int, zero bool) {
	for n < len(p) {
		block := p[n:min(n+rawBlock, len(p))]
		z := string(block) == string(zeros[:len(block)])
		if n > 0 && z != zero {
			return n, zero
		}
		zero = z
		n += len(block)
	}
	return n, zero
}
