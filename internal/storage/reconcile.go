package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bootes.dev/internal/bytesize"
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
// volumes whose boot is over, volumes of updates that are over, records that
// are behind their disks, and, when the host itself was restarted, all boots but
// those on write-through volumes. Everything else it reports and leaves alone. It must be called before
// any volume is opened.
func (s *Storage) Reconcile(ctx context.Context) ([]Finding, error) {
	r := reconciler{Storage: s}
	for _, step := range []func(context.Context) error{
		r.endBoots, r.finishRemovals, r.survey, r.checkVolumes, r.checkUpdates, r.checkDisks, r.checkImages, r.checkLayers,
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

	images  []inventory.Image
	volumes []inventory.Volume
	layers  []cow.LayerInfo
	parents lineage
}

// survey reads once what many are compared with.
func (r *reconciler) survey(ctx context.Context) (err error) {
	if r.images, err = r.inv.Images(ctx); err != nil {
		return err
	}
	if r.volumes, err = r.inv.Volumes(ctx); err != nil {
		return err
	}
	r.layers, r.parents = r.eng.Layers(), r.lineage()
	return nil
}

func (r *reconciler) settled(id string, n int64, format string, args ...any) {
	r.found = append(r.found, Finding{ID: id, Bytes: n, Text: fmt.Sprintf(format, args...)})
}

func (r *reconciler) problem(id string, n int64, format string, args ...any) {
	r.found = append(r.found, Finding{Problem: true, ID: id, Bytes: n, Text: fmt.Sprintf(format, args...)})
}

// endBoots: a machine that ran on while this host was restarted has lost
// writes that it believes in, and must boot again; unless all volumes that it
// has are write-through, which lose none.
func (r *reconciler) endBoots(ctx context.Context) error {
	if !r.eng.BootChanged() {
		return nil
	}
	safe, unsafe, err := r.writesThrough(ctx)
	if err != nil {
		return err
	}
	gone, err := r.inv.DropBoots(ctx, func(b inventory.Boot) bool { return b.Current && safe[b.Volume] && !unsafe[b.Machine] })
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

// writesThrough are the volumes that have lost nothing, and the machines that
// have one beside their own disk that may have.
func (r *reconciler) writesThrough(ctx context.Context) (volumes, unsafe map[string]bool, err error) {
	volumes, unsafe = map[string]bool{}, map[string]bool{}
	for _, v := range r.eng.Volumes() {
		volumes[v.ID] = v.WriteThrough && !v.Volatile
	}
	machines, err := r.inv.Machines(ctx)
	for _, m := range machines {
		for _, a := range m.Disks {
			if a.Volume != "" && !volumes[a.Volume] {
				unsafe[m.Name] = true
			}
		}
	}
	return volumes, unsafe, err
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
	for _, v := range r.volumes {
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
		r.problem(v.ID, 0, "%s cannot be read: %v", whose(v), err)
	case v.Mode == inventory.Ephemeral && (missing || !r.boots(ctx, v)):
		return r.drop(ctx, v, info, "ephemeral volume %s of machine %s: its boot is over")
	case v.Mode == inventory.Updating && r.published(ctx, v):
		return r.drop(ctx, v, info, "volume %s of machine %s: its update is over")
	case missing && v.Mode == inventory.Data:
		r.problem(v.ID, 0, "%s is on record but not on disk: `bootes volume rm %s` removes the record, once no machine has it attached", whose(v), v.ID)
	case missing:
		r.problem(v.ID, 0, "volume %s of machine %s is on record but not on disk: restore it from a backup, or give the machine a new one with `bootes volume rm %s`", v.ID, v.Machine, v.ID)
	default:
		return r.checkRecord(ctx, v, info)
	}
	return nil
}

func (r *reconciler) drop(ctx context.Context, v inventory.Volume, info cow.VolumeInfo, format string) error {
	if err := r.removeVolume(ctx, v.ID); err != nil {
		return err
	}
	r.settled(v.ID, info.Stored, "removed "+format, v.ID, v.Machine)
	return nil
}

// published says whether v is of an update that is over, and nobody runs from it.
func (r *reconciler) published(ctx context.Context, v inventory.Volume) bool {
	m, err := r.inv.Machine(ctx, v.Machine)
	if err != nil || m.Update != nil && m.Update.Volume == v.ID {
		return false
	}
	boots, err := r.inv.Boots(ctx, v.Machine)
	return err == nil && !slices.ContainsFunc(boots, func(b inventory.Boot) bool { return b.Volume == v.ID })
}

// checkRecord brings a volume and its record into step: the limit is as the
// record says, the image as the disk says.
func (r *reconciler) checkRecord(ctx context.Context, v inventory.Volume, info cow.VolumeInfo) error {
	if info.Limit != v.Limit {
		if err := r.eng.SetLimit(v.ID, v.Limit); err != nil {
			r.problem(v.ID, 0, "limit of volume %s cannot be set: %v", v.ID, err)
		}
	}
	v, err := r.endReplacement(ctx, v, info)
	if err != nil {
		return err
	}
	changed, err := r.follow(ctx, v, info, r.images, r.parents, false)
	if !changed || err != nil {
		return err
	}
	on := "no image"
	if below := r.parents.image(info.Base, r.images, ""); below.Layer != "" {
		on = "image " + below.Ref()
	}
	r.settled(v.ID, 0, "%s stands on %s, and its record says so now", whose(v), on)
	return nil
}

// endReplacement settles by the note what became of a volume whose disk was
// being replaced. Where the disk is what it was, so is what the record says.
func (r *reconciler) endReplacement(ctx context.Context, v inventory.Volume, info cow.VolumeInfo) (inventory.Volume, error) {
	if v.Next == nil {
		return v, nil
	}
	replaced := info.Base == v.Next.Base
	v, err := r.inv.EndReplacement(ctx, v.ID, replaced)
	switch {
	case err != nil:
	case replaced:
		r.settled(v.ID, 0, "the content of %s was replaced, and its record says so now", whose(v))
	default:
		r.settled(v.ID, 0, "the content of %s was to be replaced, and is what it was", whose(v))
	}
	return v, err
}

// checkUpdates looks for the volumes of machines in update mode.
func (r *reconciler) checkUpdates(ctx context.Context) error {
	machines, err := r.inv.Machines(ctx)
	for _, m := range machines {
		if m.Update == nil {
			continue
		}
		var missing *inventory.NotFoundError
		if _, err := r.inv.Volume(ctx, m.Update.Volume); errors.As(err, &missing) {
			r.problem(m.Update.Volume, 0, "machine %s is in update mode, but its volume %s is not on record: end that with `bootes image update --cancel %s`", m.Name, m.Update.Volume, m.Name)
		}
	}
	return err
}

// boots says whether the boot that v was made for may still log in.
func (r *reconciler) boots(ctx context.Context, v inventory.Volume) bool {
	_, err := r.inv.Boot(ctx, v.Boot)
	var stale *inventory.StaleBootError
	var missing *inventory.NotFoundError
	return !errors.As(err, &stale) && !errors.As(err, &missing)
}

// checkDisks goes from the disks to the records.
func (r *reconciler) checkDisks(context.Context) error {
	recorded := map[string]bool{}
	for _, v := range r.volumes {
		recorded[v.ID] = true
	}
	for _, info := range r.eng.Volumes() {
		switch {
		case recorded[info.ID]:
		case info.Volatile:
			if err := r.eng.RemoveVolume(info.ID); err != nil {
				r.problem(info.ID, info.Stored, "volume %s has no record and cannot be removed: %v", info.ID, err)
				continue
			}
			r.settled(info.ID, info.Stored, "removed ephemeral volume %s: it has no record", info.ID)
		default:
			r.problem(info.ID, info.Stored, "volume %s holds %s on disk but has no record: was the store restored from an older backup?", info.ID, bytesize.Format(info.Stored))
		}
	}
	return nil
}

// checkImages looks for the layers of images, and records digests that were made
// while nobody could write them down.
func (r *reconciler) checkImages(ctx context.Context) error {
	for _, i := range r.images {
		l, err := r.eng.Layer(i.Layer)
		switch {
		case err != nil:
			r.problem(i.Ref(), 0, "image %s cannot be used, its layer %s is not readable: %v", i.Ref(), i.Layer, err)
		case l.Digest != i.Digest && i.Digest == "":
			if err := r.inv.SetImageDigest(ctx, l.ID, l.Digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLayers finds layers that are kept for an image which is not on record.
func (r *reconciler) checkLayers(context.Context) error {
	named, needed := map[string]bool{}, map[string]bool{}
	for _, i := range r.images {
		named[i.Layer] = true
	}
	for _, v := range r.eng.Volumes() {
		for layer := range needs(v) {
			needed[layer] = true
		}
	}
	for _, l := range r.layers {
		needed[l.Parent] = true
	}
	for _, l := range r.layers {
		switch {
		case !l.Kept || named[l.ID]:
		case needed[l.ID]:
			r.problem(l.ID, l.Stored, "layer %s holds %s on disk for an image that is not on record: a commit was interrupted at its very end; the same `bootes volume commit` again does the rest", l.ID, bytesize.Format(l.Stored))
		default:
			r.strays.Store(strayPrefix+l.ID, l.ID)
			r.problem(l.ID, l.Stored, "layer %s holds %s on disk but belongs to no image: an import was interrupted at its very end, or the store was restored from an older backup; `bootes image rm %s%s` removes it", l.ID, bytesize.Format(l.Stored), strayPrefix, l.ID)
		}
	}
	return nil
}
