package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// Changes calls fn for each run of blocks that may differ from the earlier
// state, in order: offset and length in bytes, multiples of BlockSize but at
// the end of the disk. zero: the run reads as zeros. An error of fn ends it.
type Changes func(fn func(off, n int64, zero bool) error) error

// Write writes to w the runs of disk that changes tells, which is called
// twice and must tell the same. progress, if not nil, is told of the bytes of
// data done and to do.
//
// disk must not change meanwhile. ctx is asked between two runs; a write that
// blocks on a pipe ends when its other end is closed.
func Write(ctx context.Context, w io.Writer, h Header, disk io.ReaderAt, changes Changes, progress func(done, total int64)) (Stats, error) {
	h.Data = 0
	err := changes(func(off, n int64, zero bool) error {
		if !zero {
			h.Data += n
		}
		return nil
	})
	if err != nil {
		return Stats{}, fmt.Errorf("list changes: %w", err)
	}
	head, err := appendHeader(nil, h)
	if err != nil {
		return Stats{}, fmt.Errorf("make header of backup: %w", err)
	}
	e := newEncoder(w, h)
	e.write(head)
	c := collector{ctx: ctx, e: e, disk: disk, size: h.Size, total: h.Data, progress: progress}
	if err := changes(c.run); err != nil {
		return e.stats, err
	}
	return e.stats, e.close()
}

// collector reads what changes tells and hands it to an encoder.
type collector struct {
	ctx         context.Context
	e           *encoder
	disk        io.ReaderAt
	size, total int64
	progress    func(done, total int64)
	done, end   int64
	buf         [MaxData]byte
}

func (c *collector) run(off, n int64, zero bool) error {
	if off < c.end || n <= 0 || n > c.size-off || off%BlockSize != 0 || n%BlockSize != 0 && off+n != c.size {
		return fmt.Errorf("changes from %d, %d bytes long, make no sense after %d in a disk of %d", off, n, c.end, c.size)
	}
	c.end = off + n
	if zero {
		c.e.zeros(off, n)
		return errors.Join(c.ctx.Err(), c.e.err)
	}
	for off < c.end {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		// Up to the next multiple of MaxData: reads stay aligned.
		p := c.buf[:min(c.end, (off/MaxData+1)*MaxData)-off]
		if n, err := c.disk.ReadAt(p, off); n < len(p) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read disk at %d: %w", off, err)
		}
		c.split(p, off)
		if c.e.err != nil {
			return c.e.err
		}
		off += int64(len(p))
		c.done += int64(len(p))
		if c.progress != nil {
			c.progress(c.done, c.total)
		}
	}
	return nil
}

// split tells blocks of zeros from data.
func (c *collector) split(p []byte, off int64) {
	for len(p) > 0 {
		n, zero := runOf(p)
		if zero {
			c.e.zeros(off, int64(n))
		} else {
			c.e.data(off, p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}

// runOf is the number of bytes at the beginning of p that are blocks of zeros
// only, or blocks with data only.
func runOf(p []byte) (n int, zero bool) {
	for n < len(p) {
		block := p[n:min(n+BlockSize, len(p))]
		z := allZero(block)
		if n > 0 && z != zero {
			return n, zero
		}
		zero = z
		n += len(block)
	}
	return n, zero
}

var zeroBlock [BlockSize]byte

func allZero(p []byte) bool { return string(p) == string(zeroBlock[:len(p)]) }

// encoder joins neighbours to records, the last of which it keeps until it
// knows where it ends.
type encoder struct {
	w     *bufio.Writer
	sum   hash.Hash
	full  bool // adds to zeros: zeros need no record
	stats Stats
	err   error

	kind   recordType // of the record that is kept; 0: none
	off, n int64
	buf    []byte
}

func newEncoder(w io.Writer, h Header) *encoder {
	return &encoder{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New(), full: h.Since == "", buf: make([]byte, 0, MaxData)}
}

func (e *encoder) zeros(off, n int64) {
	if e.full {
		return
	}
	if e.kind == typeZeros && e.off+e.n == off {
		e.n += n
		return
	}
	e.flush()
	e.kind, e.off, e.n = typeZeros, off, n
}

func (e *encoder) data(off int64, p []byte) {
	if e.kind != typeData || e.off+e.n != off || len(e.buf)+len(p) > MaxData {
		e.flush()
		e.kind, e.off, e.n = typeData, off, 0
	}
	e.buf = append(e.buf, p...)
	e.n += int64(len(p))
}

// flush writes the record that is kept.
func (e *encoder) flush() {
	if e.kind == 0 {
		return
	}
	var head [recordSize]byte
	head[4] = byte(e.kind)
	binary.LittleEndian.PutUint64(head[8:], uint64(e.off))
	binary.LittleEndian.PutUint64(head[16:], uint64(e.n))
	crc := crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, e.buf)
	binary.LittleEndian.PutUint32(head[:], crc)
	e.write(head[:])
	e.write(e.buf)
	e.stats.count(e.kind, e.n)
	e.kind, e.buf = 0, e.buf[:0]
}

func (s *Stats) count(kind recordType, n int64) {
	s.Records++
	if kind == typeData {
		s.Data += n
	} else {
		s.Zeroed += n
	}
}

// close writes the trailer.
func (e *encoder) close() error {
	e.flush()
	var tail [tailSize]byte
	tail[4] = byte(typeEnd)
	binary.LittleEndian.PutUint64(tail[8:], uint64(e.stats.Records))
	binary.LittleEndian.PutUint64(tail[16:], uint64(e.stats.Data))
	binary.LittleEndian.PutUint64(tail[24:], uint64(e.stats.Zeroed))
	binary.LittleEndian.PutUint32(tail[:], crc32.Checksum(tail[4:hashAt], castagnoli))
	e.write(tail[:hashAt])
	e.write(e.sum.Sum(nil))
	if e.err == nil {
		if err := e.w.Flush(); err != nil {
			e.err = fmt.Errorf("write backup: %w", err)
		}
	}
	return e.err
}

func (e *encoder) write(p []byte) {
	if e.err != nil {
		return
	}
	e.sum.Write(p)
	n, err := e.w.Write(p)
	e.stats.Stream += int64(n)
	if err != nil {
		e.err = fmt.Errorf("write backup: %w", err)
	}
}
