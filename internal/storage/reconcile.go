package storage

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Finding is one thing that Reconcile met.
type Finding struct {
	Problem bool   // a person should look at it; otherwise it is settled
	ID      string // of the layer, image, volume or boot
	Bytes   int64  // of disk space concerned
	Text    string // in words, with the remedy
}

// Reconcile compares the disk with the records after a start and settles what
// is certain: removals and clones that were begun and not finished, ephemeral
// volumes whose boot is over, and, when the host itself was restarted, all
// boots. Everything else it reports and leaves alone. It must be called before
// any volume is opened.
func (s *Storage) Reconcile(ctx context.Context) ([]Finding, error) {
	r := reconciler{Storage: s}
	for _, step := range []func(context.Context) error{
		r.endBoots, r.finishRemovals, r.checkVolumes, r.checkDisks, r.checkImages, r.checkLayers,
	} {
		if err := step(ctx); err != nil {
			return r.found, fmt.Errorf("compare disks with records: %w", err)
		}
	}
	return r.found, nil
}

type reconciler struct {
	*Storage
	found []Finding
}

func (r *reconciler) settled(id string, n int64, format string, args ...any) {
	r.found = append(r.found, Finding{ID: id, Bytes: n, Text: fmt.Sprintf(format, args...)})
}

func (r *reconciler) problem(id string, n int64, format string, args ...any) {
	r.found = append(r.found, Finding{Problem: true, ID: id, Bytes: n, Text: fmt.Sprintf(format, args...)})
}

// endBoots: a machine that ran on while this host was restarted has lost
// writes that it believes in, and must boot again.
func (r *reconciler) endBoots(ctx context.Context) error {
	if !r.eng.BootChanged() {
		return nil
	}
	gone, err := r.inv.DropBoots(ctx, func(inventory.Boot) bool { return false })
	for _, b := range gone.Boots {
		if b.Current {
			r.settled(b.ID, 0, "this host was restarted: boot %s is over, machine %s must boot again", b.ID, b.Machine)
		}
	}
	if err != nil {
		return err
	}
	return r.eng.SettleBoot()
}

func (r *reconciler) finishRemovals(ctx context.Context) error {
	removals, err := r.inv.Removals(ctx)
	if err != nil {
		return err
	}
	for _, x := range removals {
		if err := r.finish(ctx, x); err != nil {
			r.problem(x.ID, 0, "%v", err)
			continue
		}
		r.settled(x.ID, 0, "finished removing %s %s", x.Kind, x.ID)
	}
	return nil
}

// checkVolumes goes from the records to the disks.
func (r *reconciler) checkVolumes(ctx context.Context) error {
	volumes, err := r.inv.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := r.checkVolume(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *reconciler) checkVolume(ctx context.Context, v inventory.Volume) error {
	info, err := r.eng.Volume(v.ID)
	missing := errors.Is(err, cow.ErrNotExist)
	switch {
	case err != nil && !missing:
		r.problem(v.ID, 0, "volume %s of machine %s cannot be read: %v", v.ID, v.Machine, err)
	case v.Mode == inventory.Ephemeral && (missing || !r.boots(ctx, v)):
		if err := r.removeVolume(ctx, v.ID); err != nil {
			return err
		}
		r.settled(v.ID, info.Stored, "removed ephemeral volume %s of machine %s: its boot is over", v.ID, v.Machine)
	case missing:
		r.problem(v.ID, 0, "volume %s of machine %s is on record but not on disk: restore it from a backup, or give the machine a new one with `bootes volume rm %s`", v.ID, v.Machine, v.ID)
	case info.Limit != v.Limit:
		if err := r.eng.SetLimit(v.ID, v.Limit); err != nil {
			r.problem(v.ID, 0, "limit of volume %s cannot be set: %v", v.ID, err)
		}
	}
	return nil
}

// boots says whether the boot that v was made for may still log in.
func (r *reconciler) boots(ctx context.Context, v inventory.Volume) bool {
	_, err := r.inv.Boot(ctx, v.Boot)
	var stale *inventory.StaleBootError
	var missing *inventory.NotFoundError
	return !errors.As(err, &stale) && !errors.As(err, &missing)
}

// checkDisks goes from the disks to the records.
func (r *reconciler) checkDisks(ctx context.Context) error {
	for _, info := range r.eng.Volumes() {
		_, err := r.inv.Volume(ctx, info.ID)
		var missing *inventory.NotFoundError
		switch {
		case err == nil:
		case !errors.As(err, &missing):
			return err
		case info.Volatile:
			if err := r.eng.RemoveVolume(info.ID); err != nil {
				r.problem(info.ID, info.Stored, "volume %s has no record and cannot be removed: %v", info.ID, err)
				continue
			}
			r.settled(info.ID, info.Stored, "removed ephemeral volume %s: it has no record", info.ID)
		default:
			r.problem(info.ID, info.Stored, "volume %s holds %s on disk but has no record: was the store restored from an older backup?", info.ID, human(info.Stored))
		}
	}
	return nil
}

func (r *reconciler) checkImages(ctx context.Context) error {
	images, err := r.inv.Images(ctx)
	for _, i := range images {
		if _, err := r.eng.Layer(i.Layer); err != nil {
			r.problem(i.Ref(), 0, "image %s cannot be used, its layer %s is not readable: %v", i.Ref(), i.Layer, err)
		}
	}
	return err
}

// checkLayers finds layers that no image, volume or other layer needs.
func (r *reconciler) checkLayers(ctx context.Context) error {
	needed := map[string]bool{}
	images, err := r.inv.Images(ctx)
	if err != nil {
		return err
	}
	for _, i := range images {
		needed[i.Layer] = true
	}
	for _, v := range r.eng.Volumes() {
		needed[v.Base] = true
	}
	layers := r.eng.Layers()
	for _, l := range layers {
		needed[l.Parent] = true
	}
	for _, l := range layers {
		if !needed[l.ID] {
			r.problem(l.ID, l.Stored, "layer %s holds %s on disk but belongs to no image: an import was interrupted at its very end, or the store was restored from an older backup", l.ID, human(l.Stored))
		}
	}
	return nil
}
