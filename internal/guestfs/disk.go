package guestfs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bootes.dev/internal/block"
)

// disk is the device with the context that ends its reads.
type disk struct {
	ctx  context.Context
	r    io.ReaderAt
	size int64
}

// piece is a partition: all that a file system's reader may see.
type piece struct {
	d           *disk
	start, size int64
}

// read fills p from byte off of the partition. A range outside is the file
// system's fault.
func (p piece) read(b []byte, off uint64) error {
	if p.d.ctx.Err() != nil {
		return context.Cause(p.d.ctx)
	}
	if off > uint64(p.size) || uint64(len(b)) > uint64(p.size)-off {
		return corrupt("it refers to byte %d of a partition of %d", off, p.size)
	}
	at := p.start + int64(off)
	lead := at % block.SectorSize
	whole := (lead + int64(len(b)) + block.SectorSize - 1) / block.SectorSize * block.SectorSize
	if lead == 0 && whole == int64(len(b)) {
		return p.d.fill(b, at)
	}
	sectors := make([]byte, whole)
	err := p.d.fill(sectors, at-lead)
	copy(b, sectors[lead:])
	return err
}

// fill reads whole sectors.
func (d *disk) fill(b []byte, at int64) error {
	n, err := d.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read disk at %d: %w", at, err)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
