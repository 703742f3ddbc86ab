package cow

import "fmt"

// Commit makes a layer, kept, of a snapshot, or of the present state of a
// volume, open or closed, if snapshot is "". It copies nothing; the digest
// follows in the background. What it returns was not kept before, so each
// commit can be removed by itself.
func (e *Engine) Commit(volume, snapshot string) (LayerInfo, error) {
	id, err := e.commitVolume(volume, snapshot)
	if err != nil {
		return LayerInfo{}, fmt.Errorf("commit volume %q: %w", volume, noSpace(err))
	}
	e.recountAll()
	e.wakeUp()
	return e.Layer(id)
}

func (e *Engine) commitVolume(volume, snapshot string) (string, error) {
	s, done, err := e.edit(volume)
	if err != nil {
		return "", err
	}
	defer done()
	if snapshot != "" {
		i := s.meta.snapshot(snapshot)
		if i < 0 {
			return "", fmt.Errorf("snapshot %q: %w", snapshot, ErrNotExist)
		}
		return e.keepOnce(s.meta.Snapshots[i].Layer)
	}
	var id string
	err = e.withOverlay(s, func(o *overlay) (err error) {
		switch {
		case o != nil && !o.isEmpty():
			id, err = o.id, e.sealKept(s, o)
		case e.baseIsAll(&s.meta):
			id, err = e.keepOnce(s.meta.Base)
		default:
			id, err = e.emptyLayer(s.meta.Base, s.meta.Clip, s.meta.Size, true)
		}
		return err
	})
	return id, err
}

// sealKept seals an overlay as a layer that is kept from the start. If the
// volume's meta cannot be written then, the layer is no more than its base.
func (e *Engine) sealKept(s *volumeState, o *overlay) error {
	err := e.seal(s, o, true, func(*volumeMeta) {})
	if err == nil {
		return nil
	}
	e.mu.Lock()
	l := e.layers[o.id]
	e.mu.Unlock()
	if l != nil {
		_ = e.editLayer(l, func(m *layerMeta) { m.Keep = false })
	}
	return err
}

// keepOnce keeps a layer, or an empty one on it if it is kept already.
func (e *Engine) keepOnce(id string) (string, error) {
	e.mu.Lock()
	l, err := e.layer(id)
	if err != nil {
		e.mu.Unlock()
		return "", err
	}
	m := l.meta
	e.mu.Unlock()
	if m.Keep {
		return e.emptyLayer(id, m.Size, m.Size, true)
	}
	return id, e.editLayer(l, func(m *layerMeta) { m.Keep = true })
}
