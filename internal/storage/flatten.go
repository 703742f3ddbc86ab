package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// FlattenImage merges what lies below what ref means now, so that it needs no
// other image. Machines may run meanwhile.
func (s *Storage) FlattenImage(ctx context.Context, ref string, progress func(done, total int64)) (inventory.Image, error) {
	d, err := s.OpenImage(ctx, ref)
	if err != nil {
		return inventory.Image{}, err
	}
	defer d.Close()
	chain, err := s.eng.History(d.Image.Layer)
	if err != nil || len(chain) == 1 {
		return d.Image, err
	}
	merged := merge(chain[1:])
	if err := s.checkRoom(d.Image.Size, merged, 1); err != nil {
		return d.Image, err
	}
	if err := s.eng.FlattenLayer(ctx, d.Image.Layer, told(progress)); err != nil {
		return d.Image, fmt.Errorf("flatten image %q: %w", d.Image.Ref(), s.explain(err, merged))
	}
	return d.Image, s.noteAbove(context.WithoutCancel(ctx), d.Image.Layer)
}

// noteAbove has the records of all volumes over a layer follow.
func (s *Storage) noteAbove(ctx context.Context, layer string) error {
	l := s.lineage()
	var errs []error
	for _, v := range s.eng.Volumes() {
		over := func(named string) bool { return l.on(named, layer) }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(needs(v))), over) {
			continue
		}
		release := s.hold(v.ID)
		if err := s.noteBelow(ctx, v.ID); !missing(err) { // it may have gone meanwhile
			errs = append(errs, err)
		}
		release()
	}
	return errors.Join(errs...)
}

// merge is how many bytes of blocks the layers have together at most.
func merge(layers []cow.LayerInfo) (n int64) {
	for _, l := range layers {
		n += l.Own
	}
	return min(n, layers[0].Size)
}

// LimitError refuses what would bring a volume beyond its limit.
type LimitError struct {
	Volume       string
	Holds, Limit int64 // bytes of its own that it would have, and that it may have
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("volume %q would hold up to %s of its own, and its limit is %s: raise that first with `bootes volume set %s --limit SIZE`",
		e.Volume, bytesize.Format(e.Holds), bytesize.Format(e.Limit), e.Volume)
}

// FlattenVolume merges what a volume stands on into a layer of its own, so that
// it needs no image; its snapshots still do. Its machine may run meanwhile. What
// is copied counts for its limit.
func (s *Storage) FlattenVolume(ctx context.Context, id string, progress func(done, total int64)) error {
	info, err := s.volumeInfo(ctx, id)
	if err != nil {
		return err
	}
	if info.Base != "" {
		if err := s.flattenVolume(ctx, info, progress); err != nil {
			return err
		}
	}
	defer s.hold(id)()
	return s.noteBelow(context.WithoutCancel(ctx), id)
}

func (s *Storage) flattenVolume(ctx context.Context, info cow.VolumeInfo, progress func(done, total int64)) error {
	id := info.ID
	chain, err := s.eng.History(info.Base)
	if err != nil {
		return err
	}
	merged := merge(chain)
	if holds := info.Own + merged; info.Limit > 0 && holds > info.Limit {
		return &LimitError{Volume: id, Holds: holds, Limit: info.Limit}
	}
	if err := s.checkRoom(info.Size, merged, 1); err != nil {
		return err
	}
	return s.explain(s.eng.FlattenVolume(ctx, id, told(progress)), merged)
}
