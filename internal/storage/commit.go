package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/store"
)

// Made is an image that was made of a volume.
type Made struct {
	inventory.Image
	Clean bool          // no machine had the disk open; otherwise it is as after a power cut
	Tag   inventory.Tag // that points to it now; the zero one if that was not asked for
	// IdentityOf is the machine whose host keys and machine-id are inside; ""
	// for none that Boötes has given away.
	IdentityOf string
}

// Commit makes an image of a volume's snapshot, or of the volume as it is now,
// and points tag to it, unless that is "". It copies nothing. The digest follows.
//
// A crash before the record is written leaves a layer that the volume stands on;
// the same command does the rest.
func (s *Storage) Commit(ctx context.Context, id, snapshot, ref, tag string) (Made, error) {
	release, err := s.newImage(ctx, ref, tag)
	if err != nil {
		return Made{}, err
	}
	defer release()
	s.names.RLock()
	defer s.names.RUnlock()
	defer s.hold(id)()
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return Made{}, err
	}
	return s.commit(ctx, v, snapshot, inventory.Published{Tag: tag}, ref)
}

// commit makes the image and records it with what else p says. The caller holds
// names and the volume.
func (s *Storage) commit(ctx context.Context, v inventory.Volume, snapshot string, p inventory.Published, ref string) (Made, error) {
	ctx = context.WithoutCancel(ctx)
	name, tag, err := inventory.ParseRef(ref)
	if err != nil {
		return Made{}, err
	}
	clean, at := !s.open(v.ID), ""
	if snapshot != "" {
		snap, err := s.snapshot(v, snapshot)
		if err != nil {
			return Made{}, err
		}
		clean, at = snap.Clean, "@"+snapshot
	}
	layer, err := s.seal(ctx, v.ID, snapshot)
	if err != nil {
		return Made{}, err
	}
	source := "volume " + v.ID + at
	if v.Machine != "" {
		source += " of " + v.Machine
	}
	if !clean {
		source += ", caught while it ran (crash-consistent)"
	}
	p.Image = inventory.Image{
		Name: name, Tag: tag, Layer: layer.ID, Digest: layer.Digest, Size: layer.Size, Stored: layer.Stored,
		Source: source, Identity: v.At(snapshot).Identity, BlockSize: v.BlockSize,
	}
	made := Made{Clean: clean}
	if p.Image.Identity && v.Mode != inventory.Updating { // there it is a throwaway one
		made.IdentityOf = v.Machine
	}
	made.Image, made.Tag, err = s.inv.Publish(ctx, p)
	if err != nil {
		return made, fmt.Errorf("record image %q: %w", ref, err)
	}
	if v.Image == "" { // now it stands on one
		if err := s.noteBelow(ctx, v.ID); err != nil { // the image is made all the same
			s.log.Error("volume's new image could not be recorded; that is done at the next start", "volume", v.ID, "err", err)
		}
	}
	return made, s.catchUp(ctx, made.Image)
}

// seal is the layer that holds a volume's state, kept from now on: a new one, or
// one that a commit made which was cut short before its record.
func (s *Storage) seal(ctx context.Context, id, snapshot string) (cow.LayerInfo, error) {
	info, err := s.eng.Volume(id)
	if err != nil {
		return cow.LayerInfo{}, err
	}
	at := info.Base
	for _, snap := range info.Snapshots {
		if snap.Name == snapshot {
			at = snap.Layer
		}
	}
	if snapshot == "" && info.Own > 0 || at == "" {
		return s.eng.Commit(id, snapshot)
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return cow.LayerInfo{}, err
	}
	l, err := s.eng.Layer(at)
	unnamed := !slices.ContainsFunc(images, func(i inventory.Image) bool { return i.Layer == at })
	if err == nil && l.Kept && l.Size == info.Size && unnamed {
		return l, nil
	}
	return s.eng.Commit(id, snapshot)
}

// catchUp records a digest that was made before the image was on record.
func (s *Storage) catchUp(ctx context.Context, img inventory.Image) error {
	if img.Digest != "" {
		return nil
	}
	l, err := s.eng.Layer(img.Layer)
	if err != nil || l.Digest == "" {
		return nil // the engine tells when it has it
	}
	return s.inv.SetImageDigest(ctx, l.ID, l.Digest)
}

// Publish makes an image of the volume of a machine in update mode, points tag
// to it, unless that is "", ends the update mode and removes the volume. A
// machine that runs from it is refused unless running: then the image is as
// after a power cut, and the volume goes with the machine's next boot. One that
// logged in by static credentials is refused all the same.
//
// Commit, record, removal: a crash after the first leaves the update mode as it
// was, and the same command does the rest; one after the second leaves a volume
// that Reconcile removes.
func (s *Storage) Publish(ctx context.Context, machine, ref, tag string, running bool) (Made, error) {
	v, err := s.updateOf(ctx, machine)
	if err != nil {
		return Made{}, err
	}
	release, err := s.newImage(ctx, ref, tag)
	if err != nil {
		return Made{}, err
	}
	defer release()
	if !running {
		s.endDead(ctx, v)
	} else if err := s.MayGiveDisk(ctx, machine); err != nil {
		return Made{}, err
	}
	s.names.RLock()
	defer s.names.RUnlock()
	defer s.hold(v.ID)()
	now, err := s.updateOf(ctx, machine)
	if err == nil && now.ID != v.ID {
		err = &inventory.UpdateError{Machine: machine, Update: &inventory.Update{Image: now.Image}}
	}
	if err != nil { // it was ended meanwhile
		return Made{}, err
	}
	if !running {
		as := fmt.Sprintf("take the disk as it is, as after a power cut, with `bootes image publish %s %s --running`", machine, ref)
		if err := s.unused(ctx, v, as, false); err != nil {
			return Made{}, err
		}
	}
	made, err := s.commit(ctx, v, "", inventory.Published{Tag: tag, Machine: machine, Volume: v.ID}, ref)
	if err != nil || s.open(v.ID) {
		return made, err
	}
	// The image is made: what is left of the update must not make it fail.
	if err := s.removeVolume(context.WithoutCancel(ctx), v.ID); err != nil {
		s.log.Error("volume of a published update could not be removed; it stays until the next start", "volume", v.ID, "err", err)
	}
	return made, nil
}

// updateOf is the volume of a machine in update mode.
func (s *Storage) updateOf(ctx context.Context, machine string) (inventory.Volume, error) {
	m, err := s.inv.Machine(ctx, machine)
	if err != nil {
		return inventory.Volume{}, err
	}
	if m.Update == nil {
		return inventory.Volume{}, &inventory.UpdateError{Machine: machine}
	}
	return s.inv.Volume(ctx, m.Update.Volume)
}

// Hashed records the digest of a layer once the engine has made it. What is not
// recorded now is at the next start.
func (s *Storage) Hashed(ctx context.Context, layer, digest string) {
	if err := s.inv.SetImageDigest(ctx, layer, digest); err != nil && !errors.Is(err, store.ErrClosed) {
		s.log.Error("digest of a layer could not be recorded", "layer", layer, "err", err)
	}
}
