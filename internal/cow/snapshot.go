package cow

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxSnapshots of one volume; they are all in its meta.
const maxSnapshots = 1000

// Snapshot names the present state of a volume, open or closed. Of an open one
// that is what a power cut at this moment would leave, with all acknowledged
// writes in it: changes stand still for some milliseconds, reads do not. It
// returns ErrExist if the name is taken.
func (e *Engine) Snapshot(volume, name string) (SnapshotInfo, error) {
	info, err := e.snapshot(volume, name)
	if err != nil {
		return info, fmt.Errorf("snapshot %q of volume %q: %w", name, volume, noSpace(err))
	}
	return info, nil
}

func (e *Engine) snapshot(volume, name string) (SnapshotInfo, error) {
	if err := checkID(name); err != nil {
		return SnapshotInfo{}, err
	}
	s, done, err := e.edit(volume)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer done()
	if s.meta.snapshot(name) >= 0 {
		return SnapshotInfo{}, ErrExist
	}
	if len(s.meta.Snapshots) >= maxSnapshots {
		return SnapshotInfo{}, fmt.Errorf("it has %d already, and more are not possible", maxSnapshots)
	}
	err = e.name(s, func(m *volumeMeta) {
		snap := snapshotMeta{Name: name, Layer: m.Base, Created: time.Now().UTC()}
		m.Snapshots = append(slices.Clone(m.Snapshots), snap)
	})
	if err != nil {
		return SnapshotInfo{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	infos := e.snapshotInfos(s.meta.Snapshots)
	return infos[len(infos)-1], nil
}

// snapshot finds a snapshot by name, or returns -1.
func (m *volumeMeta) snapshot(name string) int {
	return slices.IndexFunc(m.Snapshots, func(s snapshotMeta) bool { return s.Name == name })
}

// name brings a volume to where its base is all that it holds, and has edit
// put that on record. The caller holds op.
func (e *Engine) name(s *volumeState, edit func(m *volumeMeta)) error {
	return e.withOverlay(s, func(o *overlay) error {
		if o != nil && !o.isEmpty() {
			return e.seal(s, o, false, edit)
		}
		if !e.baseIsAll(&s.meta) {
			return e.putBase(s, o, edit)
		}
		m := s.meta
		edit(&m)
		return e.putMetaOpen(s, m)
	})
}

// withOverlay gives fn a volume's overlay, nil if there is none, and opens it
// for that if the volume is closed.
func (e *Engine) withOverlay(s *volumeState, fn func(o *overlay) error) error {
	if s.open != nil {
		return fn(s.open.top.Load().over)
	}
	if s.meta.Overlay == "" {
		return fn(nil)
	}
	o, err := e.openOverlay(&s.meta, new(failure), new(rangeLock))
	if err != nil {
		return err
	}
	return errors.Join(fn(o), o.close())
}

// baseIsAll reports whether a volume without own blocks reads as its base
// does.
func (e *Engine) baseIsAll(m *volumeMeta) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.layers[m.Base]
	return l != nil && l.meta.Size == m.Size && m.Clip >= l.meta.Size
}

// putBase puts an empty layer of the volume's size between the volume, whose
// overlay is empty if there is one, and its base.
func (e *Engine) putBase(s *volumeState, o *overlay, edit func(m *volumeMeta)) error {
	id, err := e.emptyLayer(s.meta.Base, s.meta.Clip, s.meta.Size, false)
	if err != nil {
		return err
	}
	m := s.meta
	m.Base, m.Clip = id, m.Size
	edit(&m)
	if s.open == nil {
		return e.orCollect(e.putMeta(s, m), id)
	}
	c, err := e.acquire(id)
	if err != nil {
		return e.orCollect(err, id)
	}
	if err := e.putMetaOpen(s, m); err != nil {
		return errors.Join(e.orCollect(err, id), e.release(c))
	}
	was := s.open.top.Load()
	s.open.top.Store(newTop(m.Size, c, m.Clip, o))
	return e.release(was.base)
}

// orCollect drops a new layer if what should refer to it failed.
func (e *Engine) orCollect(err error, layer string) error {
	if err != nil {
		e.collect(layer)
	}
	return err
}

// putMetaOpen is putMeta for a volume that may be open.
func (e *Engine) putMetaOpen(s *volumeState, m volumeMeta) error {
	err := e.putMeta(s, m)
	if err != nil && s.open != nil {
		return s.open.failIfUnsettled(err)
	}
	return err
}

// RemoveSnapshot takes a snapshot's name away, and its layer as soon as
// nothing else needs it. It returns ErrNotExist for an unknown name.
func (e *Engine) RemoveSnapshot(volume, name string) error {
	if err := e.removeSnapshot(volume, name); err != nil {
		return fmt.Errorf("remove snapshot %q of volume %q: %w", name, volume, noSpace(err))
	}
	return nil
}

func (e *Engine) removeSnapshot(volume, name string) error {
	s, done, err := e.edit(volume)
	if err != nil {
		return err
	}
	defer done()
	i := s.meta.snapshot(name)
	if i < 0 {
		return ErrNotExist
	}
	m := s.meta
	m.Snapshots = slices.Delete(slices.Clone(m.Snapshots), i, i+1)
	layer := s.meta.Snapshots[i].Layer
	if err := e.putMetaOpen(s, m); err != nil {
		return err
	}
	e.collect(layer) // only now: the name is durably gone
	e.recountAll()
	e.wakeUp()
	return nil
}

// Rollback makes a closed volume what it was at a snapshot. What was written
// since is gone; all snapshots stay, later ones too. It returns an InUseError
// while the volume is open, and ErrNotExist for an unknown snapshot.
func (e *Engine) Rollback(volume, snapshot string) error {
	err := e.rebase(volume, func(m *volumeMeta) error {
		i := m.snapshot(snapshot)
		if i < 0 {
			return ErrNotExist
		}
		m.Base = m.Snapshots[i].Layer
		m.Size = 0
		return nil
	})
	if err != nil {
		return fmt.Errorf("roll volume %q back to snapshot %q: %w", volume, snapshot, noSpace(err))
	}
	return nil
}

// SetBase makes a closed volume a fresh clone of a layer, or blank if layer is
// "". Its size becomes the layer's, unless it had been made larger than its
// image: then it stays at least as large. Snapshots stay. It returns an
// InUseError while the volume is open.
func (e *Engine) SetBase(volume, layer string) error {
	err := e.rebase(volume, func(m *volumeMeta) error {
		if layer != "" && !e.isGrown(m) {
			m.Size = 0
		}
		m.Base = layer
		return nil
	})
	if err != nil {
		return fmt.Errorf("set base of volume %q: %w", volume, noSpace(err))
	}
	return nil
}

// isGrown reports whether a volume is larger than the image it came from. One
// that came from none keeps its size.
func (e *Engine) isGrown(m *volumeMeta) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	line, _ := e.lineage(m.Base)
	for _, l := range line {
		if l.meta.Keep {
			return m.Size > l.meta.Size
		}
	}
	return true
}

// rebase puts a closed volume onto another base, without an overlay. The meta
// that says so is durable before the overlay goes to the trash: a crash
// between leaves an overlay that no meta names, which Open throws away.
func (e *Engine) rebase(volume string, change func(m *volumeMeta) error) error {
	s, done, err := e.edit(volume)
	if err != nil {
		return err
	}
	defer done()
	if s.open != nil {
		return &InUseError{What: "the volume"}
	}
	was, m := s.meta, s.meta
	if err := change(&m); err != nil {
		return err
	}
	if m.Base != "" {
		base, err := e.claim(m.Base)
		if err != nil {
			return err
		}
		defer e.disclaim(base)
	}
	if err := e.fit(&m); err != nil {
		return err
	}
	m.Overlay = ""
	if err := e.putMeta(s, m); err != nil {
		return err
	}
	if was.Overlay != "" {
		err = e.throwIfThere(e.path("volumes", volume, was.Overlay))
	}
	e.collect(was.Base)
	return err
}

// fit sizes a volume without overlay to its base: at least as large.
func (e *Engine) fit(m *volumeMeta) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.Clip = 0
	if m.Base == "" {
		return checkSize(m.Size)
	}
	base, err := e.layer(m.Base)
	if err != nil {
		return err
	}
	m.Size = max(m.Size, base.meta.Size)
	m.Clip = base.meta.Size
	return nil
}
