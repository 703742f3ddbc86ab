package targets

import (
	"context"
	"errors"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/layout"
	"bootes.dev/internal/storage"
)

// look tells package boot what the firmware of a machine finds on its disk.
func (g *gate) look(ctx context.Context, ad *boot.Admitted, d *storage.Opened) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l, err := layout.Read(ctx, d, d.Size())
	if err != nil {
		g.Log.Debug("beginning of a disk could not be read", "volume", ad.Boot.Volume, "err", err)
	}
	g.Boot.Opened(ad.Boot, l, nil)
}

// observed is a boot's disk whose errors its diagnosis may have to name.
type observed struct {
	*storage.Opened
	failed func(error)
}

func (o observed) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Opened.ReadAt(p, off)
	o.see(err)
	return n, err
}

func (o observed) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.Opened.WriteAt(p, off)
	o.see(err)
	return n, err
}

func (o observed) Flush() error {
	err := o.Opened.Flush()
	o.see(err)
	return err
}

func (o observed) see(err error) {
	if err != nil && (errors.Is(err, block.ErrNoSpace) || errors.Is(err, block.ErrCorrupt)) {
		o.failed(err)
	}
}

// observe is a boot's disk for its initiators; errors of it are told of.
func (g *gate) observe(ad *boot.Admitted, d *storage.Opened) block.Device {
	if d == nil {
		return nil
	}
	return observed{d, func(err error) {
		g.Boot.DiskFails(ad.Boot, boot.DiskFailure{Err: err, AtLimit: errors.Is(err, cow.ErrLimit), Limit: d.Limit()})
	}}
}
