package cow

import "fmt"

// Layers live as long as somebody needs them: a name outside (kept), a volume
// or one of its snapshots, a layer above, or a builder. Whoever drops a
// reference, durably, calls collect. What a crash leaves behind is swept at
// the next Open.

// collect throws away the layer, if nothing needs it any more, and then its
// parent, and so on. A layer that an open chain still reads goes when that
// closes: its files must not be shortened under the reader.
func (e *Engine) collect(ids ...string) {
	var dead []*layerState
	e.mu.Lock()
	for _, id := range ids {
		for l := e.layers[id]; l != nil && !e.hold && !e.needed(l); l = e.layers[l.meta.Parent] {
			l.dead = true
			delete(e.layers, l.id)
			if l.pins == 0 {
				dead = append(dead, l)
			}
		}
	}
	e.mu.Unlock()
	for _, l := range dead {
		e.throwLayer(l)
	}
}

// claim has a layer stay until disclaim, for a reference that is being written.
func (e *Engine) claim(id string) (*layerState, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, err := e.layer(id)
	if err == nil {
		l.readers++
	}
	return l, err
}

func (e *Engine) disclaim(l *layerState) {
	e.mu.Lock()
	l.readers--
	e.mu.Unlock()
	e.collect(l.id)
}

// needed is what collect asks. The caller holds mu.
func (e *Engine) needed(l *layerState) bool {
	if l.bad != nil || l.meta.Keep || l.readers > 0 || e.building(l.id) {
		return true
	}
	d := e.dependents(l.id)
	return len(d.Layers)+len(d.Volumes) > 0
}

// throwLayer removes what nothing refers to. Durably, though nobody would miss
// the removal: a layer that came back after a power cut with its files already
// half-freed would look like damage.
func (e *Engine) throwLayer(l *layerState) {
	e.mu.Lock()
	released := e.released
	e.mu.Unlock()
	if released {
		return // the next Open sweeps
	}
	err := e.settleAllNames()
	if err == nil {
		err = e.discard(e.path("layers", l.id))
	}
	if err != nil {
		e.log.Error("cannot remove a layer that nothing needs", "layer", l.id, "err", err)
	}
}

// sweep throws away, at Open, every layer that cannot be reached from a kept
// one, a volume or a snapshot. If anything that could refer to layers is
// unreadable or gone, nobody can tell what is garbage: then nothing is removed
// in this opening.
func (e *Engine) sweep() error {
	marked := map[string]bool{}
	var why error
	mark := func(by, id string) {
		for id != "" && !marked[id] {
			l := e.layers[id]
			if l == nil {
				why = fmt.Errorf("layer %q, which %s needs, is missing", id, by)
				return
			}
			marked[id] = true
			by, id = fmt.Sprintf("layer %q", id), l.meta.Parent
		}
	}
	for id, l := range e.layers {
		if l.bad != nil {
			why = fmt.Errorf("layer %q is unreadable", id)
		}
		if l.meta.Keep {
			mark("the user", id)
		}
	}
	for id, s := range e.volumes {
		if s.bad != nil {
			why = fmt.Errorf("volume %q is unreadable", id)
		}
		mark(fmt.Sprintf("volume %q", id), s.meta.Base)
		for _, snap := range s.meta.Snapshots {
			mark(fmt.Sprintf("snapshot %q of volume %q", snap.Name, id), snap.Layer)
		}
	}
	if e.hold = why != nil; e.hold {
		e.log.Error("unused layers are not removed until this is repaired", "err", why)
		return nil
	}
	for id, l := range e.layers {
		if marked[id] {
			continue
		}
		e.log.Info("removing a layer that nothing needs", "layer", id)
		delete(e.layers, id)
		e.throwLayer(l)
	}
	return nil
}
