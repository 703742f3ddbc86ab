package cow_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
)

// What there is, and the changes of it: snapshots, commits, clones …

// world is all that must be there, and nothing else may be.
type world struct {
	volumes map[string]volume
	images  map[string]image // kept layers
}

type volume struct {
	line     int // where its content is told
	size     int64
	volatile bool
	through  bool // every write is durable when it is acknowledged
	snaps    map[string]image
}

// image is a content that does not change: a kept layer or a snapshot.
type image struct {
	size    int64
	content stamps
}

func (w world) clone() world {
	return world{maps.Clone(w.volumes), maps.Clone(w.images)}
}

// with returns the world with a volume changed.
func (w world) with(id string, edit func(v *volume)) world {
	next := w.clone()
	v := next.volumes[id]
	v.snaps = maps.Clone(v.snaps)
	edit(&v)
	next.volumes[id] = v
	return next
}

// step is a change of the world under way. The lines in flushed become
// durable with it.
type step struct {
	world
	began   int64
	flushed []int
}

// change marks a change: after it the world is next. lines are new ones.
func (h *history) change(next *world, lines map[int]stamps, flushed []int, do func() error) error {
	s := &step{flushed: flushed}
	h.note(func(o *oracle) {
		s.world, s.began = *next, o.clock
		for id, c := range lines {
			o.lines[id] = newLine(c)
		}
		o.next = s
	})
	err := do()
	if err != nil {
		return err // and it may have happened or not
	}
	h.world = *next
	h.note(func(o *oracle) {
		for _, id := range flushed {
			o.lines[id].flushed(s.began)
		}
		o.now, o.next = s.world, nil
	})
	return nil
}

// contentOf is what a volume holds.
func (h *history) contentOf(id string) (stamps, error) {
	if d := h.open[id]; d != nil {
		return readContent(d, h.world.volumes[id].size)
	}
	return h.closed[id], nil
}

func (h *history) toggle() error {
	id := pick(h, h.world.volumes)
	switch {
	case id == "":
		return nil
	case h.open[id] != nil:
		return h.closeVolume(id)
	}
	return h.openVolume(id)
}

func (h *history) openVolume(id string) error {
	v, err := h.e.OpenVolume(id)
	if err != nil {
		return err
	}
	h.open[id] = v
	if h.setup.device != nil {
		h.open[id] = h.setup.device(v)
	}
	delete(h.closed, id)
	return nil
}

// closeVolume is no error for one that is closed.
func (h *history) closeVolume(id string) error {
	if h.open[id] == nil {
		return nil
	}
	v := h.world.volumes[id]
	var err error
	if h.closed[id], err = h.contentOf(id); err != nil {
		return err
	}
	d := h.open[id].(interface{ Close() error })
	delete(h.open, id)
	return h.flushing(v, d.Close)
}

// makeVolume makes a clone.
func (h *history) makeVolume(spec cow.VolumeSpec, base image) error {
	if spec.Size == 0 {
		spec.Size = base.size
	}
	h.lines++
	c := base.content.cutTo(spec.Size)
	next := h.world.clone()
	next.volumes[spec.ID] = volume{line: h.lines, size: spec.Size, volatile: spec.Volatile, through: spec.WriteThrough}
	err := h.change(&next, map[int]stamps{h.lines: c}, nil, func() error {
		_, err := h.e.CreateVolume(spec)
		return err
	})
	h.closed[spec.ID] = c
	return err
}

// freeName is a name for a volume, or "".
func (h *history) freeName() string {
	for _, id := range []string{"a", "b", "c"} {
		if _, taken := h.world.volumes[id]; !taken {
			return id
		}
	}
	return ""
}

// makeClone clones an image or a snapshot.
func (h *history) makeClone() error {
	spec := cow.VolumeSpec{ID: h.freeName()}
	if spec.ID == "" {
		return nil
	}
	spec.Base = pick(h, h.world.images)
	base := h.world.images[spec.Base]
	if v, snap := h.pickSnapshot(); snap != "" && h.rng.IntN(2) == 0 {
		info, err := h.e.Volume(v)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(info.Snapshots, func(s cow.SnapshotInfo) bool { return s.Name == snap })
		spec.Base, base = info.Snapshots[i].Layer, h.world.volumes[v].snaps[snap]
	}
	spec.Size = []int64{0, smallSize, max(base.size, oddSize), bigSize}[h.rng.IntN(4)]
	switch h.rng.IntN(5) {
	case 0:
		spec.Volatile = true
	case 1:
		spec.WriteThrough = true
	}
	if err := h.makeVolume(spec, base); err != nil {
		return err
	}
	return h.openVolume(spec.ID)
}

func (h *history) removeVolume() error {
	id := pick(h, h.world.volumes)
	if id == "" {
		return nil
	}
	if err := h.closeVolume(id); err != nil {
		return err
	}
	next := h.world.clone()
	delete(next.volumes, id)
	delete(h.closed, id)
	return h.change(&next, nil, nil, func() error { return h.e.RemoveVolume(id) })
}

// pickSnapshot returns a volume and one of its snapshots, or "".
func (h *history) pickSnapshot() (id, name string) {
	id = pick(h, h.world.volumes)
	return id, pick(h, h.world.volumes[id].snaps)
}

func (h *history) snapshot() error {
	id := pick(h, h.world.volumes)
	v := h.world.volumes[id]
	if id == "" || len(v.snaps) >= 4 {
		return nil
	}
	c, err := h.contentOf(id)
	if err != nil {
		return err
	}
	name := fmt.Sprint("s", h.newStamp())
	next := h.world.with(id, func(v *volume) {
		if v.snaps == nil {
			v.snaps = map[string]image{}
		}
		v.snaps[name] = image{v.size, c}
	})
	return h.change(&next, nil, []int{v.line}, func() error {
		_, err := h.e.Snapshot(id, name)
		return err
	})
}

func (h *history) removeSnapshot() error {
	id, name := h.pickSnapshot()
	if name == "" {
		return nil
	}
	next := h.world.with(id, func(v *volume) { delete(v.snaps, name) })
	return h.change(&next, nil, nil, func() error { return h.e.RemoveSnapshot(id, name) })
}

// rebase closes a volume and gives it another content, and perhaps size.
func (h *history) rebase(id string, to image, do func() error) error {
	if err := h.closeVolume(id); err != nil {
		return err
	}
	h.lines++
	c := to.content.cutTo(to.size)
	next := h.world.with(id, func(v *volume) { v.line, v.size = h.lines, to.size })
	err := h.change(&next, map[int]stamps{h.lines: c}, nil, do)
	h.closed[id] = c
	if err != nil || h.rng.IntN(2) == 0 {
		return err
	}
	return h.openVolume(id)
}

func (h *history) rollback() error {
	id, name := h.pickSnapshot()
	if name == "" {
		return nil
	}
	return h.rebase(id, h.world.volumes[id].snaps[name], func() error { return h.e.Rollback(id, name) })
}

// reset makes a volume a fresh clone of an image, or blank. It keeps a size
// that is larger than that of the image it came from.
func (h *history) reset() error {
	id, layer := pick(h, h.world.volumes), pick(h, h.world.images)
	if id == "" {
		return nil
	}
	to := h.world.images[layer]
	if h.rng.IntN(5) == 0 {
		layer, to.content = "", make(stamps, len(watched))
	}
	size := h.world.volumes[id].size
	came, err := h.cameFrom(id)
	switch {
	case err != nil:
		return err
	case layer == "":
		to.size = size
	case came == 0 || size > came:
		to.size = max(size, to.size)
	}
	return h.rebase(id, to, func() error { return h.e.SetBase(id, layer) })
}

// cameFrom returns the size of the image that a volume is built on; 0: none.
func (h *history) cameFrom(id string) (int64, error) {
	info, err := h.e.Volume(id)
	if err != nil || info.Base == "" {
		return 0, err
	}
	chain, err := h.e.History(info.Base)
	for _, l := range chain {
		if l.Kept {
			return l.Size, err
		}
	}
	return 0, err
}

func (h *history) resize() error {
	id := pick(h, h.world.volumes)
	if id == "" {
		return nil
	}
	was := h.world.volumes[id]
	size := []int64{smallSize, 128 << 20, bigSize}[h.rng.IntN(3)]
	grow := func() error { return h.e.Resize(id, size) }
	if size < was.size {
		if err := h.closeVolume(id); err != nil {
			return err
		}
		return h.rebase(id, image{size, h.closed[id]}, grow)
	}
	next := h.world.with(id, func(v *volume) { v.size = size })
	return h.change(&next, nil, nil, grow)
}

// commit makes an image of a volume or of a snapshot.
func (h *history) commit() error {
	if len(h.world.images) > 4 {
		return nil
	}
	id, name := h.pickSnapshot()
	if id == "" {
		return nil
	}
	v := h.world.volumes[id]
	im, flushed := v.snaps[name], []int(nil)
	if name == "" || h.rng.IntN(2) == 0 {
		c, err := h.contentOf(id)
		if err != nil {
			return err
		}
		name, im, flushed = "", image{v.size, c}, []int{v.line}
	}
	next := h.world.clone()
	next.images[""] = im
	return h.change(&next, nil, flushed, func() error {
		info, err := h.e.Commit(id, name)
		if err == nil {
			delete(next.images, "")
			next.images[info.ID] = im
		}
		return err
	})
}

func (h *history) setWriteThrough() error {
	id := pick(h, h.world.volumes)
	v := h.world.volumes[id]
	if id == "" || v.volatile {
		return nil
	}
	next := h.world.with(id, func(v *volume) { v.through = !v.through })
	flushed := []int{v.line}
	if v.through {
		flushed = nil
	}
	return h.change(&next, nil, flushed, func() error { return h.e.SetWriteThrough(id, !v.through) })
}

// flatten changes nothing that is to be seen.
func (h *history) flatten() error {
	id := pick(h, h.world.volumes)
	if id == "" {
		return nil
	}
	return h.e.FlattenVolume(context.Background(), id, nil)
}

func (h *history) flattenImage() error {
	return h.e.FlattenLayer(context.Background(), pick(h, h.world.images), nil)
}

// settleEngine has the engine do what it does in the background.
func (h *history) settleEngine() error { return h.e.Settle(context.Background()) }

// makeImage seals a layer on a parent, with new content here and there.
func (h *history) makeImage(parent string) error {
	const size = smallSize + 512
	c := make(stamps, len(watched))
	if parent != "" {
		c = h.world.images[parent].content.cutTo(size)
	}
	next := h.world.clone()
	return h.change(&next, nil, nil, func() error {
		b, err := h.e.NewLayerOn(parent, size)
		if err != nil {
			return err
		}
		defer func() { _ = b.Abort() }()
		p := make([]byte, block.SectorSize)
		for i, s := range watched {
			if s >= size/512 || s%64 == 9 || parent != "" && h.rng.IntN(3) > 0 {
				continue
			}
			c[i] = h.newStamp()
			stampSector(p, s, c[i])
			if _, err := b.WriteAt(p, s*512); err != nil {
				return err
			}
		}
		next.images[""] = image{size, c}
		info, err := b.Seal(context.Background())
		if err == nil {
			next.images[info.ID] = next.images[""]
			delete(next.images, "")
		}
		return err
	})
}

func (h *history) layOnTop() error {
	if len(h.world.images) > 4 {
		return nil
	}
	return h.makeImage(pick(h, h.world.images))
}

// removeImage removes one that nothing is built on.
func (h *history) removeImage() error {
	id := pick(h, h.world.images)
	if len(h.world.images) == 1 || h.isNeeded(id) {
		return nil
	}
	next := h.world.clone()
	delete(next.images, id)
	return h.change(&next, nil, nil, func() error { return h.e.RemoveLayer(id) })
}

func (h *history) isNeeded(layer string) bool {
	for _, l := range h.e.Layers() {
		if l.Parent == layer {
			return true
		}
	}
	for _, v := range h.e.Volumes() {
		if v.Base == layer || slices.ContainsFunc(v.Snapshots, func(s cow.SnapshotInfo) bool { return s.Layer == layer }) {
			return true
		}
	}
	return false
}
