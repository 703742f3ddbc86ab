package cow

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/cow/vfs"
)

// LayerInfo describes a sealed layer.
type LayerInfo struct {
	ID      string
	Parent  string // "": none
	Clip    int64  // bytes of the parent that show through; zeros beyond
	Size    int64  // bytes of the disk
	Own     int64  // bytes of the blocks that this layer itself has
	Stored  int64  // bytes that this layer's files occupy
	Digest  string // "sha256:…" of the disk's content; "" until it is hashed
	Kept    bool   // it stays until RemoveLayer; others go with their last user
	Depth   int    // layers of its chain, itself included
	Origin  string // what LayerBuilder.SetOrigin said
	Created time.Time
}

// layerState is what the engine keeps of each layer.
type layerState struct {
	// op is held over changes of the layer's meta and hashes; never together
	// with that of another layer.
	op sync.Mutex

	id   string
	bad  error     // why it cannot be used
	meta layerMeta // guarded by Engine.mu, and changed under op only

	// All guarded by Engine.mu:
	pins    int      // open chains that have it, or are about to
	readers int      // Layers open to somebody outside, and changes under way that need it
	file    vfs.File // its data, once a chain has needed it
	dead    bool     // nothing refers to it: thrown away when nothing has it pinned

	stored     atomic.Int64 // 0: not yet measured
	unpinnable atomic.Bool  // its data could not be sent from the page cache: an error that reading tells
}

// loadLayer notes a layer found at Open. A damaged one is left where it is
// and costs only the volumes on it.
func (e *Engine) loadLayer(id string) error {
	l := &layerState{id: id}
	l.bad = missing(readMeta(e.fs, e.path("layers", id, "meta"), &l.meta))
	if l.bad == nil {
		l.bad = l.meta.check(id)
	}
	e.layers[id] = l
	if l.bad != nil {
		l.meta = layerMeta{ID: id}
		e.log.Error("layer cannot be used", "layer", id, "err", l.bad)
		return nil
	}
	e.doubt[e.path("layers", id)] = nil
	return e.tidy(e.path("layers", id))
}

// tidy removes what an interrupted change left in the folder of a layer or
// volume: a meta half-written, or the journal of an overlay that has become a
// layer.
func (e *Engine) tidy(folder string) error {
	names, err := e.fs.List(folder)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == "journal" || n == "meta.tmp" {
			if err := e.fs.Remove(folder + "/" + n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Layers lists the sealed layers by ID. Unreadable ones are not among them.
func (e *Engine) Layers() []LayerInfo {
	e.mu.Lock()
	var list []LayerInfo
	var states []*layerState
	for _, l := range e.layers {
		if l.bad == nil {
			list, states = append(list, e.layerInfo(l)), append(states, l)
		}
	}
	e.mu.Unlock()
	for i, l := range states {
		list[i].Stored = e.layerStored(l)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// Layer returns ErrNotExist for an unknown ID, and an error that wraps
// block.ErrCorrupt for a layer that is there but cannot be used.
func (e *Engine) Layer(id string) (LayerInfo, error) {
	e.mu.Lock()
	l, err := e.layer(id)
	if err != nil {
		e.mu.Unlock()
		return LayerInfo{}, err
	}
	info := e.layerInfo(l)
	e.mu.Unlock()
	info.Stored = e.layerStored(l)
	return info, nil
}

// History returns a layer and all below it, the top first.
func (e *Engine) History(id string) ([]LayerInfo, error) {
	e.mu.Lock()
	line, err := e.lineage(id)
	if e.closed {
		err = errEngineClosed
	}
	list := make([]LayerInfo, len(line))
	for i, l := range line {
		list[i] = e.layerInfo(l)
	}
	e.mu.Unlock()
	for i, l := range line {
		list[i].Stored = e.layerStored(l)
	}
	return list, err
}

// layer finds a layer that can be used. The caller holds mu.
func (e *Engine) layer(id string) (*layerState, error) {
	if e.closed {
		return nil, errEngineClosed
	}
	l := e.layers[id]
	if l == nil {
		return nil, fmt.Errorf("layer %q: %w", id, ErrNotExist)
	}
	if l.bad != nil {
		return nil, fmt.Errorf("layer %q: %w", id, l.bad)
	}
	return l, nil
}

// layerInfo leaves Stored out, for which files must be asked. The caller
// holds mu.
func (e *Engine) layerInfo(l *layerState) LayerInfo {
	m := &l.meta
	return LayerInfo{
		ID: m.ID, Parent: m.Parent, Clip: m.Clip, Size: m.Size, Own: m.Own, Digest: m.Digest,
		Kept: m.Keep, Depth: e.depth(m.ID), Origin: m.Origin, Created: m.Created,
	}
}

// depth counts the layers of a chain, as far as they are there. The caller
// holds mu.
func (e *Engine) depth(id string) (n int) {
	for l := e.layers[id]; l != nil && n <= maxDepth; l = e.layers[l.meta.Parent] {
		n++
	}
	return n
}

// layerStored asks once: a layer does not change.
func (e *Engine) layerStored(l *layerState) int64 {
	if n := l.stored.Load(); n != 0 {
		return n
	}
	n, err := allocated(e.fs, e.path("layers", l.id))
	if err != nil && !e.gone(l.id) {
		e.log.Error("cannot measure layer", "layer", l.id, "err", err)
	}
	l.stored.Store(n)
	return n
}

// gone reports whether a layer has been removed.
func (e *Engine) gone(layer string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.layers[layer] == nil
}

// Keep marks a layer as one that has a name outside the engine: it stays until
// RemoveLayer, whatever else is removed, and is hashed in the background.
func (e *Engine) Keep(id string) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	e.mu.Lock()
	l, err := e.layer(id)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if err := e.editLayer(l, func(m *layerMeta) { m.Keep = true }); err != nil {
		return fmt.Errorf("keep layer %q: %w", id, err)
	}
	e.recountAll()
	e.wakeUp()
	return nil
}

// editLayer replaces a layer's meta, on disk and then in memory. What became
// of a failed change that is unsettled is open until the folder is opened
// again; until then nothing is collected, because both answers must do.
func (e *Engine) editLayer(l *layerState, edit func(m *layerMeta)) error {
	l.op.Lock()
	defer l.op.Unlock()
	return e.editLayerLocked(l, edit)
}

func (e *Engine) editLayerLocked(l *layerState, edit func(m *layerMeta)) error {
	e.mu.Lock()
	m, gone := l.meta, l.dead
	if gone {
		e.mu.Unlock()
		return ErrNotExist
	}
	l.readers++ // its last reference may go meanwhile
	e.mu.Unlock()
	defer e.disclaim(l)
	was := m
	if edit(&m); m == was {
		return e.settleNames(e.path("layers", m.ID))
	}
	if err := writeMeta(e.fs, e.path("layers", m.ID, "meta"), m, true); err != nil {
		e.holdIfUnsettled(err)
		return err
	}
	e.mu.Lock()
	l.meta = m
	e.mu.Unlock()
	return nil
}

// RemoveLayer removes a layer that nothing is built on, kept or not, and what
// only it has kept alive below. It returns a DependentsError if something is,
// and an InUseError while it is open.
func (e *Engine) RemoveLayer(id string) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	e.mu.Lock()
	l := e.layers[id]
	e.mu.Unlock()
	if l == nil {
		return fmt.Errorf("layer %q: %w", id, ErrNotExist)
	}
	err = e.removeLayer(l)
	if errors.Is(err, ErrInUse) || errors.Is(err, ErrDependents) {
		if resume, ended := e.giveWay(id); ended {
			defer resume()
			err = e.removeLayer(l)
		}
	}
	if err != nil {
		return fmt.Errorf("remove layer %q: %w", id, err)
	}
	e.collect(l.meta.Parent)
	return nil
}

func (e *Engine) removeLayer(l *layerState) error {
	l.op.Lock() // no hashing or flattening meanwhile
	defer l.op.Unlock()
	e.mu.Lock()
	if err := e.removable(l); err != nil {
		e.mu.Unlock()
		return err
	}
	l.dead = true
	delete(e.layers, l.id)
	pinned := l.pins > 0
	l.pins++ // nobody else throws it away meanwhile
	m := l.meta
	e.mu.Unlock()

	var err error
	if pinned {
		// Our own background work reads it. It goes when that is done, or at
		// the next Open, which needs to know that nobody wants it.
		m.Keep = false
		err = writeMeta(e.fs, e.path("layers", m.ID, "meta"), m, true)
	} else if err = e.settleAllNames(); err == nil {
		err = e.discard(e.path("layers", m.ID))
	}
	e.holdIfUnsettled(err)
	e.mu.Lock()
	l.pins--
	throw := err == nil && pinned && l.pins == 0
	if err != nil {
		l.dead = false
		e.layers[l.id] = l
	}
	e.mu.Unlock()
	if throw {
		e.throwLayer(l)
	}
	return err
}

// removable says who still needs a layer. The caller holds mu.
func (e *Engine) removable(l *layerState) error {
	if e.layers[l.id] != l {
		return fmt.Errorf("layer %q: %w", l.id, ErrNotExist)
	}
	if d := e.dependents(l.id); len(d.Layers)+len(d.Volumes) > 0 {
		return d
	}
	if l.readers > 0 || e.building(l.id) {
		return &InUseError{What: fmt.Sprintf("layer %q", l.id)}
	}
	return nil
}

// dependents of a layer. The caller holds mu.
func (e *Engine) dependents(id string) *DependentsError {
	d := &DependentsError{Layer: id}
	for _, l := range e.layers {
		if l.meta.Parent == id {
			d.Layers = append(d.Layers, l.meta.ID)
		}
	}
	for _, s := range e.volumes {
		if s.meta.refersTo(id) {
			d.Volumes = append(d.Volumes, s.meta.ID)
		}
	}
	sort.Strings(d.Layers)
	sort.Strings(d.Volumes)
	return d
}

func (m *volumeMeta) refersTo(layer string) bool {
	if m.Base == layer {
		return true
	}
	for _, s := range m.Snapshots {
		if s.Layer == layer {
			return true
		}
	}
	return false
}

// building reports whether a layer is being made on this one.
func (e *Engine) building(id string) bool {
	for b := range e.made {
		if b.parent == id {
			return true
		}
	}
	return false
}

// holdIfUnsettled stops all collecting of garbage until the next Open, if the
// error leaves open what the disk refers to.
func (e *Engine) holdIfUnsettled(err error) {
	if !errors.Is(err, errUnsettled) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hold = true
}
