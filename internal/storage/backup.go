package storage

import (
	"context"
	"fmt"
	"io"
	"time"

	"bootes.dev/internal/backup"
	"bootes.dev/internal/inventory"
)

// SinceImage, in place of a snapshot's name, is the image that a volume stands
// on.
const SinceImage = "image"

// Backup writes a volume's snapshot, or the volume as it is now, to w: all of it,
// or what has changed since an earlier snapshot or SinceImage. It returns the
// state that was written.
func (s *Storage) Backup(ctx context.Context, id, snapshot, since string, w io.Writer, progress func(done, total int64)) (backup.Header, error) {
	d, err := s.OpenState(ctx, id, snapshot)
	if err != nil {
		return backup.Header{}, err
	}
	defer d.Close()
	was := d.Volume.At(snapshot)
	h := backup.Header{
		Volume: id, Machine: d.Volume.Machine, Image: was.Image, Snapshot: snapshot, Identity: was.Identity,
		Size: d.Size(), State: d.info.ID, Created: time.Now().UTC(),
	}
	earlier, err := s.openSince(ctx, d, since)
	if err != nil {
		return h, err
	}
	if earlier != nil {
		defer earlier.Close()
		h.Since, h.SinceDigest = earlier.info.ID, earlier.info.Digest
	}
	changes := func(fn func(off, n int64, zero bool) error) error { return d.Changes(ctx, earlier, fn) }
	if _, err := backup.Write(ctx, w, h, d, changes, progress); err != nil {
		return h, fmt.Errorf("back up volume %q: %w", id, err)
	}
	return h, nil
}

// openSince opens the state that d's backup adds to; nil for zeros.
func (s *Storage) openSince(ctx context.Context, d *Disk, since string) (*Disk, error) {
	switch since {
	case "":
		return nil, nil
	case SinceImage:
		return s.openBelow(ctx, d)
	case d.Snapshot:
		return nil, &inventory.InvalidError{What: "earlier snapshot", Value: since, Want: "it is the one that is to be backed up: name one from before"}
	}
	return s.OpenState(ctx, d.Volume.ID, since)
}
