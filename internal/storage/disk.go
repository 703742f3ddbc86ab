package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Disk is one state of a disk, to read; it does not change. Until it is closed
// an image cannot be removed.
type Disk struct {
	Image    inventory.Image  // of an image
	Volume   inventory.Volume // of a volume's state; Image is the zero one
	Snapshot string           // "": the volume as it was when this was opened
	Clean    bool             // no machine had the disk open

	layer *cow.Layer
	info  cow.LayerInfo
	done  func()
}

// Size is in bytes.
func (d *Disk) Size() int64 { return d.layer.Size() }

// ReadAt reads whole sectors, as block.Device does.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) { return d.layer.ReadAt(p, off) }

// Pin is block.Pinner's.
func (d *Disk) Pin(off, n int64) (block.Pinned, bool) { return d.layer.Pin(off, n) }

// Changes calls fn for each run of blocks that may differ from what since has,
// or from zeros if that is nil, in order.
func (d *Disk) Changes(ctx context.Context, since *Disk, fn func(off, n int64, zero bool) error) error {
	if since == nil {
		return d.layer.Changes(ctx, nil, fn)
	}
	return d.layer.Changes(ctx, since.layer, fn)
}

// Close lets the state go.
func (d *Disk) Close() error {
	defer d.done()
	return d.layer.Close()
}

// OpenImage opens what ref means now, an image or a tag.
func (s *Storage) OpenImage(ctx context.Context, ref string) (*Disk, error) {
	s.names.RLock()
	defer s.names.RUnlock()
	img, err := s.inv.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.openImage(img)
}

func (s *Storage) openImage(img inventory.Image) (*Disk, error) {
	l, err := s.eng.OpenLayer(img.Layer)
	if err != nil {
		return nil, fmt.Errorf("open image %q: %w", img.Ref(), err)
	}
	d := &Disk{Image: img, Clean: true, layer: l, done: s.readers.add(img.Layer)}
	return s.described(d, img.Layer)
}

// OpenState opens a volume's snapshot, or the volume as it is now, also while a
// machine runs from it.
func (s *Storage) OpenState(ctx context.Context, id, snapshot string) (*Disk, error) {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return nil, err
	}
	defer s.hold(id)()
	d := &Disk{Volume: v, Snapshot: snapshot, done: func() {}}
	if snapshot != "" {
		snap, err := s.snapshot(v, snapshot)
		if err != nil {
			return nil, err
		}
		d.Clean = snap.Clean
		return s.openSnapshot(d, snap.SnapshotInfo)
	}
	d.Clean = !s.open(id)
	err = s.momentary(ctx, v, func(snap cow.SnapshotInfo) (err error) {
		d, err = s.openSnapshot(d, snap)
		return err
	})
	return d, err
}

func (s *Storage) openSnapshot(d *Disk, snap cow.SnapshotInfo) (*Disk, error) {
	l, err := s.eng.OpenSnapshot(d.Volume.ID, snap.Name)
	if err != nil {
		return nil, fmt.Errorf("open state %q of volume %q: %w", snap.Name, d.Volume.ID, err)
	}
	d.layer = l
	return s.described(d, snap.Layer)
}

// described closes d if its layer cannot be looked at.
func (s *Storage) described(d *Disk, layer string) (_ *Disk, err error) {
	if d.info, err = s.eng.Layer(layer); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// momentary hands fn a snapshot that is gone afterwards, even if this process
// dies meanwhile. What fn makes of its layer stays. The caller holds the volume.
func (s *Storage) momentary(ctx context.Context, v inventory.Volume, fn func(cow.SnapshotInfo) error) error {
	ctx = context.WithoutCancel(ctx)
	name := "moment-" + strings.ToLower(rand.Text()[:8])
	note := inventory.Removal{Kind: inventory.RemoveSnapshot, ID: v.ID + "@" + name}
	if err := s.inv.NoteRemoval(ctx, note); err != nil {
		return err
	}
	snap, err := s.eng.Snapshot(v.ID, name)
	if err != nil {
		err = fmt.Errorf("catch the state of volume %q: %w", v.ID, err)
	} else {
		err = fn(snap)
	}
	if e := s.finish(ctx, note); e != nil { // what was wanted is done all the same
		s.log.Error("snapshot of a moment could not be removed", "volume", v.ID, "snapshot", name, "err", e)
	}
	return err
}

// readers counts who reads the layers of images.
type readers struct {
	mu sync.Mutex
	n  map[string]int
}

// add counts a reader, until the returned function is called.
func (r *readers) add(layer string) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[string]int{}
	}
	r.n[layer]++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.n[layer]--
	})
}

func (r *readers) of(layer string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[layer]
}
