package cow

import (
	"errors"
	"slices"
)

// putUnderVolume makes merged the base of a volume instead of top. If the
// volume was sealed meanwhile, the new layer between takes it.
func (e *Engine) putUnderVolume(volume, top, merged string) error {
	above, err := e.putBeneath(volume, top, merged)
	if err != nil || above == nil {
		return err
	}
	return e.putUnderLayer(above, top, merged)
}

func (e *Engine) putBeneath(volume, top, merged string) (above *layerState, err error) {
	s, done, err := e.edit(volume)
	if err != nil {
		return nil, err
	}
	defer done()
	if s.meta.Base != top {
		e.mu.Lock()
		defer e.mu.Unlock()
		line, _ := e.lineage(s.meta.Base)
		for _, l := range line {
			if l.meta.Parent == top {
				return l, nil
			}
		}
		return nil, errChanged
	}
	m := s.meta
	m.Base = merged
	if err := e.fitsLimit(s, &m, 0); err != nil {
		return nil, err
	}
	if s.open == nil {
		return nil, e.putMeta(s, m)
	}
	c, err := e.acquire(merged)
	if err != nil {
		return nil, err
	}
	if err := e.putMetaOpen(s, m); err != nil {
		return nil, errors.Join(err, e.release(c))
	}
	return nil, s.open.swapBase(c)
}

// swapBase puts a chain in the place of one that reads the same. The caller
// holds the state's op. Changes need not stop: no own block comes or goes.
func (v *Volume) swapBase(c *chain) error {
	t := v.top.Load()
	v.top.Store(newTop(t.size, c, v.state.meta.Clip, t.over))
	return v.e.release(t.base)
}

// putUnderLayer makes merged the parent of a layer instead of top. Chains that
// are open go on as they are, but those of open volumes are replaced, so that
// what is below the old ones can go.
func (e *Engine) putUnderLayer(above *layerState, top, merged string) error {
	changed := false
	err := e.editLayer(above, func(m *layerMeta) {
		if m.Parent == top {
			m.Parent, changed = merged, true
		}
	})
	if err == nil && !changed {
		err = errChanged
	}
	if err != nil {
		return err
	}
	for _, id := range e.outdate(above) {
		if err := e.renewBase(id); err != nil {
			e.log.Warn("a volume goes on reading layers that were merged", "volume", id, "err", err)
		}
	}
	return nil
}

// outdate takes the chains over a layer out of use for whoever comes next, and
// names the open volumes that read through them.
func (e *Engine) outdate(l *layerState) (volumes []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, c := range e.chains {
		if c.has(l) {
			delete(e.chains, id)
		}
	}
	for id, s := range e.volumes {
		if s.open != nil && s.open.top.Load().base.has(l) {
			volumes = append(volumes, id)
		}
	}
	return volumes
}

// isCurrent reports whether a chain has the layers that its top stands on now:
// some may have been merged since it was begun. The caller holds mu.
func (e *Engine) isCurrent(c *chain) bool {
	line, err := e.lineage(c.top().id)
	slices.Reverse(line)
	return err == nil && slices.Equal(line, c.layers)
}

// renewBase opens the chain of an open volume's base anew.
func (e *Engine) renewBase(volume string) error {
	s, done, err := e.edit(volume)
	if err != nil {
		return err
	}
	defer done()
	if s.open == nil || s.meta.Base == "" {
		return nil
	}
	c, err := e.acquire(s.meta.Base)
	if err != nil {
		return err
	}
	return s.open.swapBase(c)
}
