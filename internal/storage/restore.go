package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bootes.dev/internal/backup"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// EarlierStateError refuses a backup of what has changed since a state that is
// not here.
type EarlierStateError struct{ Header backup.Header }

func (e *EarlierStateError) Error() string {
	h := e.Header
	return fmt.Sprintf("this backup of volume %s holds only what changed since an earlier state (%s), and no disk here is in that state: restore the backup of that state first, and then this one before the disk is used", h.Volume, h.Since)
}

// Restored is a disk that came out of a backup.
type Restored struct {
	inventory.Volume
	Header backup.Header
	Lost   int64 // bytes of blocks that the disk had beyond its snapshots and its image
}

// Restore makes a backup the disk of a machine, or the content of a data volume
// that is attached to none; name is either's. What a disk holds is replaced if
// force; its snapshots stay. Without force it is only replaced if
// the backup adds to what it is, and nothing was written to it since, or if a
// data volume is blank. When it fails or ctx ends, nothing is left.
func (s *Storage) Restore(ctx context.Context, name string, from io.Reader, force bool, progress func(done, total int64)) (Restored, error) {
	job := restore{Storage: s, force: force}
	v, err := s.inv.Volume(ctx, name)
	if err == nil && v.Mode == inventory.Data {
		job.data = name
	} else if job.m, err = s.ownDisk(ctx, name); err != nil {
		return Restored{}, err
	}
	r, err := backup.NewReader(from)
	if err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", job.what(), err)
	}
	job.r = r
	if err := job.plan(ctx); err != nil {
		return Restored{Header: r.Header()}, err
	}
	defer job.unpin()
	layer, err := job.build(ctx, progress)
	if err != nil {
		return Restored{Header: r.Header()}, fmt.Errorf("restore %s: %w", job.what(), err)
	}
	v, err = job.place(context.WithoutCancel(ctx), layer.ID)
	if err != nil {
		// What stands on it by now keeps it.
		if e := s.eng.RemoveLayer(layer.ID); !errors.Is(e, cow.ErrDependents) {
			err = errors.Join(err, e)
		}
	}
	return Restored{Volume: v, Header: r.Header(), Lost: job.lost}, err
}

// restore is one Restore under way.
type restore struct {
	*Storage
	m     inventory.Machine // whose disk it is to be; or
	data  string            // the data volume
	r     *backup.Reader
	force bool

	base  string          // layer that the backup adds to, or that it is like
	fill  bool            // what the stream does not tell of is zeros, not base
	image inventory.Image // that base is or stands on; the zero one: none
	unpin func()          // lets image go
	lost  int64
}

func (r *restore) what() string {
	if r.data != "" {
		return fmt.Sprintf("volume %q", r.data)
	}
	return fmt.Sprintf("machine %q", r.m.Name)
}

// plan finds what the backup stands on and refuses what place would refuse, to
// begin with: a stream may be long.
func (r *restore) plan(ctx context.Context) error {
	cur, err := r.current(ctx)
	if err != nil {
		return err
	}
	if cur != nil {
		r.endDead(ctx, *cur)
	}
	r.names.RLock()
	defer r.names.RUnlock()
	images, err := r.inv.Images(ctx)
	if err != nil {
		return err
	}
	h := r.r.Header()
	if err := r.findBase(h, images, cur); err != nil {
		return err
	}
	if err := r.checkRoom(h.Size, h.Data, 1); err != nil {
		return err
	}
	if cur != nil {
		if err := r.mayReplace(ctx, *cur); err != nil {
			return err
		}
	}
	r.unpin = r.readers.add(r.image.Layer)
	return nil
}

// findBase finds the layer that a backup stands on: a whole one on its image, if
// that is here; a difference on the earlier state.
func (r *restore) findBase(h backup.Header, images []inventory.Image, cur *inventory.Volume) error {
	if h.Since != "" {
		return r.findSince(h, images, cur)
	}
	r.fill = true
	for _, i := range images {
		if i.Ref() == h.Image {
			r.base, r.image = i.Layer, i
		}
	}
	return nil
}

// findSince finds the layer that is the earlier state: the very one, one that
// was restored from a backup of it, or one with the same content. Of those, it
// takes the one that the machine's disk stands on.
func (r *restore) findSince(h backup.Header, images []inventory.Image, cur *inventory.Volume) error {
	var own string
	if cur != nil {
		if info, err := r.eng.Volume(cur.ID); err == nil {
			own = info.Base
		}
	}
	rank := func(l cow.LayerInfo) int {
		switch same := l.ID == h.Since; {
		case !same && l.Origin != h.Since && (h.SinceDigest == "" || l.Digest != h.SinceDigest):
			return 0
		case l.ID == own:
			return 3
		case same:
			return 2
		}
		return 1
	}
	best, parents := 0, lineage{}
	for _, l := range r.eng.Layers() {
		parents[l.ID] = l.Parent
		if n := rank(l); n > best {
			best, r.base = n, l.ID
		}
	}
	if best == 0 {
		return &EarlierStateError{h}
	}
	r.image = parents.image(r.base, images, h.Image)
	return nil
}

// image is the nearest image below a layer; where several are the same layer,
// that of the name wanted.
func (l lineage) image(layer string, images []inventory.Image, wanted string) (found inventory.Image) {
	for range len(l) + 1 {
		for _, i := range images {
			if i.Layer == layer && (found.Layer == "" || i.Ref() == wanted) {
				found = i
			}
		}
		if layer = l[layer]; found.Layer != "" || layer == "" {
			break
		}
	}
	return found
}

// current is the disk that there is, nil if the machine has none.
func (r *restore) current(ctx context.Context) (*inventory.Volume, error) {
	if r.data != "" {
		v, err := r.inv.Volume(ctx, r.data)
		return &v, err
	}
	v, err := r.inv.FindVolume(ctx, r.m.Name, r.m.Image, inventory.Persistent, "")
	if missing(err) {
		return nil, nil
	}
	return &v, err
}

// mayReplace refuses to replace a disk that is in use, or, unless forced, one
// with something on it that is nowhere else.
func (r *restore) mayReplace(ctx context.Context, v inventory.Volume) error {
	info, err := r.volumeInfo(ctx, v.ID)
	if err != nil {
		return err
	}
	known, err := r.Volume(ctx, v.ID)
	if err != nil {
		return err
	}
	if r.lost = known.Written; info.Base == r.base && !r.fill { // what it stands on stays below
		r.lost = info.Own
	}
	if err := r.unused(ctx, v, "", false); err != nil {
		return err
	}
	if v.Mode == inventory.Data {
		return r.mayReplaceData(v)
	}
	if r.force || info.Own == 0 && info.Base == r.base && !r.fill {
		return nil
	}
	return &inventory.ExistsError{Kind: "disk of machine", Name: r.m.Name, Remedy: fmt.Sprintf("it is volume %s; --force replaces what is on it, and `bootes volume snapshot %s` keeps that first", v.ID, v.ID)}
}

func (r *restore) mayReplaceData(v inventory.Volume) error {
	if r.force || r.lost == 0 {
		return nil
	}
	return &inventory.ExistsError{Kind: "content of volume", Name: v.ID, Remedy: fmt.Sprintf("--force replaces what is on it, and `bootes volume snapshot %s` keeps that first", v.ID)}
}

// build makes the layer that the backup is. Nothing keeps it but what is put on
// it.
func (r *restore) build(ctx context.Context, progress func(done, total int64)) (cow.LayerInfo, error) {
	h := r.r.Header()
	b, err := r.eng.NewLayerOn(r.base, h.Size)
	if err != nil {
		return cow.LayerInfo{}, err
	}
	b.SkipSame(true)
	b.SetKeep(false)
	b.SetOrigin(h.State)
	dst := &gapless{dst: b, fill: r.fill && r.base != ""}
	_, err = backup.Apply(ctx, r.r, dst, told(progress))
	if err == nil {
		err = dst.end(h.Size)
	}
	var layer cow.LayerInfo
	if err == nil {
		layer, err = b.Seal(ctx)
	}
	if err != nil {
		return layer, errors.Join(r.explain(err, h.Data), b.Abort())
	}
	return layer, nil
}

// place makes the layer the disk.
func (r *restore) place(ctx context.Context, layer string) (inventory.Volume, error) {
	r.names.RLock()
	defer r.names.RUnlock()
	if r.data == "" {
		m, err := r.ownDisk(ctx, r.m.Name) // it may have been given another image meanwhile
		if err != nil {
			return inventory.Volume{}, err
		}
		r.m = m
	}
	h := r.r.Header()
	v := inventory.Volume{ID: inventory.NewVolumeID(r.m.Name), Machine: r.m.Name, Ref: r.m.Image, Mode: inventory.Persistent, Limit: r.m.Limit}
	stand := func(v *inventory.Volume) {
		standOn(v, r.image)
		if r.image.Layer == "" {
			v.Image = ""
		}
		v.Identity = h.Identity
	}
	stand(&v)
	cur, err := r.current(ctx)
	if err != nil {
		return v, err
	}
	if cur == nil {
		return r.cloneLayer(ctx, v, layer)
	}
	defer r.hold(cur.ID)()
	if err := r.mayReplace(ctx, *cur); err != nil {
		return *cur, err
	}
	err = r.rebase(ctx, cur.ID, layer, stand, func() error {
		if err := r.eng.SetBase(cur.ID, layer); err != nil {
			return fmt.Errorf("replace the content of volume %q: %w", cur.ID, err)
		}
		return nil
	})
	if err != nil {
		return *cur, err
	}
	return r.inv.Volume(ctx, cur.ID)
}
