package cow

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"bootes.dev/internal/cow/vfs"
	"golang.org/x/sync/errgroup"
)

// sealing is an overlay on its way to becoming a layer, and the base of the
// volume that it was on.
//
// The order, and why each crash in it leaves the volume whole. With changes
// standing still:
//
//	(1) a final checkpoint, synced: the map alone tells all that was written
//	(2) the layer's meta, in the overlay's folder, synced
//	(3) rename volumes/ID/UUID to layers/UUID; sync layers, then volumes/ID
//	(4) the volume's meta: base UUID, the next overlay, and the snapshot's name
//
// Before (3) the meta names an overlay that is in its place, as ever; that it
// has a meta of a layer means nothing there. Between (3) and (4) the meta
// names an overlay that is found among the layers: Open takes it for the base,
// which is the same content. After (4) the snapshot is there. A layer that a
// volume's meta does not name at all is never made by this.
type sealing struct {
	e *Engine
	s *volumeState
	v *Volume // nil: the volume is closed
	o *overlay
	l *layerState

	metaFile vfs.File // of the layer, made before the stall
	dataFile vfs.File // of the layer, for reading; only of an open volume
	chain    *chain   // the volume's next base; only of an open volume
	under    []*sources
	was      *chain   // its base so far
	next     *overlay // the volume's next; only of an open volume
}

// seal makes the overlay of a volume, which is not empty, into a layer and the
// volume's base. edit completes the volume's meta. The caller holds op.
func (e *Engine) seal(s *volumeState, o *overlay, keep bool, edit func(m *volumeMeta)) (err error) {
	m := &s.meta
	x := &sealing{e: e, s: s, v: s.open, o: o, l: &layerState{id: o.id, meta: layerMeta{
		ID: o.id, Parent: m.Base, Clip: m.Clip, Size: m.Size, Keep: keep, Created: time.Now().UTC(),
	}}}
	defer func() { err = errors.Join(err, x.closeUnused()) }()
	if err := x.prepare(edit); err != nil {
		return err
	}
	if err := x.stall(edit); err != nil {
		return err
	}
	x.retire()
	e.wakeUp()
	return nil
}

// prepare does what can be done while the volume goes on: it brings most of
// the data to the disk, and meanwhile makes the next chain and the next overlay.
func (x *sealing) prepare(edit func(m *volumeMeta)) error {
	if err := x.e.roomAbove(x.s.meta.Base); err != nil {
		return err
	}
	if x.v == nil {
		return x.prepareFiles()
	}
	var others errgroup.Group
	others.Go(x.makeChain)
	others.Go(func() error { return x.makeNext(edit) })
	err := x.prepareFiles()
	if err = errors.Join(others.Wait(), err); err != nil {
		return err
	}
	x.repaint() // the disk may have taken long: what is left for the stall is less
	return nil
}

func (x *sealing) prepareFiles() error {
	for range 3 { // what is written meanwhile is less each time
		start := time.Now()
		if err := x.o.preflush(); err != nil {
			return err
		}
		if time.Since(start) < 2*time.Millisecond {
			break
		}
	}
	x.o.startPunching()
	return noSpace(x.makeMetaFile())
}

func (x *sealing) makeNext(edit func(m *volumeMeta)) (err error) {
	m := x.s.meta // with the size that it will have
	edit(&m)
	x.next, err = x.e.createOverlay(&m, &x.v.failure, &x.v.ranges)
	return err
}

// makeChain makes the volume's next base, as the overlay is now, and has the
// overlay note what changes from here on.
func (x *sealing) makeChain() error {
	f, err := x.e.fs.OpenFile(x.o.folder+"/data", os.O_RDONLY)
	if err != nil {
		return err
	}
	x.dataFile = f
	x.was = x.v.top.Load().base
	if x.was != nil && len(x.was.layers) >= maxDepth {
		return fmt.Errorf("it still reads through %d layers, though some were merged: open it anew first", maxDepth)
	}
	x.chain = x.was.above()
	x.chain.grow(x.l.meta.Size, x.l.meta.Clip)
	x.under = slices.Clone(x.chain.pages)
	clear(x.chain.mine)
	x.takeStale()
	x.chain.add(x.l, f, &x.o.own)
	return nil
}

// roomAbove refuses a chain that would become too deep.
func (e *Engine) roomAbove(base string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.depth(base) >= maxDepth {
		return fmt.Errorf("it is on a chain of %d layers, and more there cannot be: flatten it first", maxDepth)
	}
	return nil
}

func (x *sealing) makeMetaFile() error {
	name := x.o.folder + "/meta"
	f, err := x.e.fs.OpenFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	x.metaFile = f
	return x.e.fs.SyncDir(x.o.folder)
}

// stall stops all changes, and only changes, for as long as they must not
// happen. It leaves the volume either as it was or sealed; if it cannot tell
// which, it fails the volume.
func (x *sealing) stall(edit func(m *volumeMeta)) error {
	if x.v != nil {
		x.v.life.Lock()
		defer x.v.life.Unlock()
		if err := x.v.failed(); err != nil {
			return err
		}
	}
	x.o.flushMu.Lock()
	defer x.o.flushMu.Unlock()
	if err := x.freeze(); err != nil {
		return err
	}
	if err := x.move(); err != nil {
		return x.fail(err)
	}
	m := x.s.meta
	m.Base, m.Clip, m.Overlay = x.l.id, m.Size, ""
	x.enter(m) // what the disk says already, whether or not the meta follows
	if edit(&m); x.next != nil {
		m.Overlay = x.next.id
	}
	err := x.e.putMeta(x.s, m)
	if x.v != nil {
		x.swap(err == nil)
		x.e.recountAll() // not before: until then the overlay counts
	}
	if err != nil {
		x.retire()
		return x.fail(err)
	}
	return nil
}

// swap puts the volume on its new base, and on its next overlay if the meta
// names it.
func (x *sealing) swap(named bool) {
	m := &x.s.meta
	if !named {
		x.v.top.Store(newTop(m.Size, x.chain, m.Clip, nil))
		return
	}
	x.v.top.Store(newTop(m.Size, x.chain, m.Clip, x.next))
	x.next = nil
}

// freeze makes the map and the meta final and durable.
func (x *sealing) freeze() error {
	if err := x.o.failure.get(); err != nil {
		return err
	}
	if err := x.o.checkpoint(true); err != nil {
		return err
	}
	x.l.meta.Own = int64(x.o.dir.Here) << blockShift
	p, err := encodeMeta(x.l.meta)
	if err != nil {
		return err
	}
	err = x.metaFile.Truncate(int64(len(p)))
	if err == nil {
		_, err = x.metaFile.WriteAt(p, 0)
	}
	if err != nil {
		return noSpace(err)
	}
	if err := x.metaFile.Sync(); err != nil {
		return x.o.fail(err)
	}
	return nil
}

// move makes the folder a layer. The name must be durable where it goes before
// it is durably gone from where it was.
func (x *sealing) move() error {
	fs, to := x.e.fs, x.e.path("layers", x.o.id)
	if err := fs.Rename(x.o.folder, to); err != nil {
		return renameError(err)
	}
	for _, d := range []string{x.e.path("layers"), x.e.path("volumes", x.s.meta.ID)} {
		if err := fs.SyncDir(d); err != nil {
			return unsettled(err)
		}
	}
	return nil
}

// fail ends the life of a volume of which nobody can tell what it is now.
func (x *sealing) fail(err error) error {
	if !errors.Is(err, errUnsettled) {
		return err
	}
	x.e.unsettle(x.s)
	return x.o.fail(err)
}

// enter makes the layer known, and the chain over it.
func (x *sealing) enter(m volumeMeta) {
	if x.v != nil {
		x.repaint()
	}
	e := x.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.layers[x.l.id] = x.l
	x.s.meta, x.s.own = m, 0
	if x.v == nil {
		return
	}
	c := x.chain
	c.refs, c.ready, c.mine, c.pinned = 1, make(chan struct{}), nil, c.layers
	close(c.ready)
	for _, l := range c.pinned {
		l.pins++
	}
	x.l.file = x.dataFile
	if e.isCurrent(c) {
		e.chains[x.l.id] = c
	}
	x.dataFile = nil
}

// repaint brings the chain up to date with what was written since it was made,
// or since the last time.
func (x *sealing) repaint() {
	c, stale := x.chain, x.takeStale()
	for i := range c.pages {
		if stale.has(i) {
			c.pages[i], c.mine[i] = x.under[i], false
			c.paintPage(&x.o.own, int64(i))
		}
	}
}

// takeStale returns the pages of the map that have changed since the last time,
// and has the overlay note them from now on.
func (x *sealing) takeStale() pageSet {
	x.o.mu.Lock()
	defer x.o.mu.Unlock()
	stale := x.o.repaint
	x.o.repaint = newPageSet(len(x.chain.pages))
	return stale
}

// retire lets the overlay's own files go. It may still be giving space back:
// what the layer's map calls zero nobody reads.
func (x *sealing) retire() {
	o := x.o
	if err := x.e.fs.Remove(x.e.path("layers", o.id, "journal")); err != nil {
		x.e.log.Warn("cannot remove the journal of a sealed layer", "layer", o.id, "err", err)
	}
	if x.v == nil {
		return // whoever opened it closes it
	}
	o.startPunching()
	x.v.retired.Go(func() {
		o.punch.Wait()
		x.l.stored.Store(0) // it has become less
		if err := o.closeFiles(); err != nil {
			x.e.log.Warn("cannot close a sealed overlay", "layer", o.id, "err", err)
		}
	})
	if err := x.e.release(x.was); err != nil {
		x.e.log.Warn("cannot close layers", "err", err)
	}
}

func (x *sealing) closeUnused() error {
	x.o.mu.Lock()
	x.o.repaint = nil
	x.o.mu.Unlock()
	var errs []error
	for _, f := range []vfs.File{x.metaFile, x.dataFile} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if x.next != nil {
		errs = append(errs, x.next.closeFiles())
		if !x.s.unsettled { // otherwise the meta may name it
			errs = append(errs, x.e.throwIfThere(x.next.folder))
		}
	}
	return errors.Join(errs...)
}
