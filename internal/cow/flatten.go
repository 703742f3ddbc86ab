package cow

import (
	"context"
	"errors"
)

func (e *Engine) nextToMerge() *job { return nil }

var errNotYet = errors.New("not yet possible")

// FlattenVolume copies.
func (e *Engine) FlattenVolume(ctx context.Context, volume string, progress func(done, total int64)) error {
	return errNotYet
}

// FlattenLayer copies.
func (e *Engine) FlattenLayer(ctx context.Context, layer string, progress func(done, total int64)) error {
	return errNotYet
}
