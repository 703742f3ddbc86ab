package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Target takes what a stream holds: a disk of zeros, or of the state Since.
type Target interface {
	io.WriterAt
	Unmap(off, n int64) error // makes the range zeros
}

// Apply writes the rest of the stream to dst. Only when it returns no error is
// what dst holds the state of the backup; otherwise dst must be thrown away.
// progress, if not nil, is told of the bytes of data done and to do.
func Apply(ctx context.Context, r *Reader, dst Target, progress func(done, total int64)) (Stats, error) {
	for {
		if err := ctx.Err(); err != nil {
			return r.Stats(), err
		}
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Stats(), nil
		}
		if err != nil {
			return r.Stats(), err
		}
		if rec.Zero {
			err = dst.Unmap(rec.Off, rec.Len)
		} else {
			_, err = dst.WriteAt(rec.Data, rec.Off)
		}
		if err != nil {
			return r.Stats(), fmt.Errorf("write disk at %d: %w", rec.Off, err)
		}
		if progress != nil && !rec.Zero {
			progress(r.stats.Data, r.header.Data)
		}
	}
}
