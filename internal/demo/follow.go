package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// tailBytes is how much of what was written before is shown.
const tailBytes = 4096

// follow copies a growing file to out, from near its end on, until ctx ends.
func follow(ctx context.Context, f *os.File, out io.Writer) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(max(0, end-tailBytes), io.SeekStart); err != nil {
		return err
	}
	for {
		if _, err := io.Copy(out, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// followUntil copies a growing file to out from its beginning on until done
// returns true or an error.
func followUntil(ctx context.Context, f *os.File, out io.Writer, done func() (bool, error)) error {
	for {
		ended, err := done()
		if _, e := io.Copy(out, f); e != nil {
			return errors.Join(err, e)
		}
		if ended || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
