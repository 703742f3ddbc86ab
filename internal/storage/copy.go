package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// extent is a piece of a Source that holds data.
type extent struct{ start, end int64 }

// extents lists where src has data, and how much that is.
func extents(src Source) (pieces []extent, total int64, err error) {
	x, ok := src.(extenter)
	if !ok {
		return []extent{{0, src.Size()}}, src.Size(), nil
	}
	for off := int64(0); off < src.Size(); {
		start, end, err := x.Extent(off)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		start = max(start, off)
		if end <= start || end > src.Size() {
			return nil, 0, fmt.Errorf("piece from %d to %d of %d bytes makes no sense", start, end, src.Size())
		}
		pieces = append(pieces, extent{start, end})
		total += end - start
		off = end
	}
	return pieces, total, nil
}

// target takes the content of a disk.
type target interface {
	io.WriterAt
	Unmap(off, n int64) error
}

// gapless is a target that is told pieces in order and makes what lies between
// them zeros, if fill: there, something else is below.
type gapless struct {
	dst  target
	fill bool
	pos  int64 // all before it is as it should be
}

func (g *gapless) gap(to int64) error {
	if g.fill && to > g.pos {
		if err := g.dst.Unmap(g.pos, to-g.pos); err != nil {
			return err
		}
	}
	g.pos = max(g.pos, to)
	return nil
}

func (g *gapless) WriteAt(p []byte, off int64) (int, error) {
	if err := g.gap(off); err != nil {
		return 0, err
	}
	g.pos = off + int64(len(p))
	return g.dst.WriteAt(p, off)
}

func (g *gapless) Unmap(off, n int64) error {
	if err := g.gap(off); err != nil {
		return err
	}
	g.pos = off + n
	return g.dst.Unmap(off, n)
}

// end is called last, with the size of the disk.
func (g *gapless) end(size int64) error { return g.gap(size) }

// copier copies pieces of a Source to the same places of a layer.
type copier struct {
	src      io.ReaderAt
	dst      io.WriterAt
	total    int64
	progress func(done, total int64)
	done     int64
}

func (c *copier) copy(ctx context.Context, pieces []extent) error {
	buf := make([]byte, chunk)
	c.progress(0, c.total)
	for _, p := range pieces {
		for off := p.start; off < p.end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			// Up to the next multiple of a chunk: writes stay aligned.
			n := min(p.end, (off/chunk+1)*chunk) - off
			if err := c.chunk(buf[:n], off); err != nil {
				return err
			}
			off += n
			c.progress(c.done, c.total)
		}
	}
	return nil
}

func (c *copier) chunk(buf []byte, off int64) error {
	if n, err := c.src.ReadAt(buf, off); n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read at %d: %w", off, err)
	}
	if _, err := c.dst.WriteAt(buf, off); err != nil {
		return fmt.Errorf("write at %d: %w", off, err)
	}
	c.done += int64(len(buf))
	return nil
}
