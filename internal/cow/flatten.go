package cow

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errChanged: somebody moved the volume or layer meanwhile.
var errChanged = errors.New("it was changed meanwhile: try again")

// FlattenVolume copies all that a volume, open or closed, has of the layers
// below it into one layer of its own, so that it needs no image and no
// snapshot any more. Snapshots stay as they are. What it copies counts for the
// volume's limit. progress, if not nil, is told of the bytes done and to do.
func (e *Engine) FlattenVolume(ctx context.Context, volume string, progress func(done, total int64)) error {
	if err := e.flattenVolume(ctx, volume, progress); err != nil {
		return fmt.Errorf("flatten volume %q: %w", volume, noSpace(err))
	}
	return nil
}

func (e *Engine) flattenVolume(ctx context.Context, volume string, progress func(done, total int64)) error {
	ctx, leave, err := e.enterLong(ctx)
	if err != nil {
		return err
	}
	defer leave()
	e.mu.Lock()
	s, err := e.volume(volume)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	m := s.meta
	flat := m.Base == "" || e.isOwn(m.Base)
	e.mu.Unlock()
	if flat {
		return nil
	}
	return e.flatten(ctx, m.Base, "", volume, nil, newPace(false, progress))
}

// isOwn reports whether a layer is the only one of its chain, and nobody else
// needs it. The caller holds mu.
func (e *Engine) isOwn(id string) bool {
	l := e.layers[id]
	return l != nil && l.meta.Parent == "" && e.references().isNameless(l)
}

// FlattenLayer copies all that a layer has of those below it into one layer
// beneath it, so that it needs no other any more. Its content and its digest
// stay what they are.
func (e *Engine) FlattenLayer(ctx context.Context, layer string, progress func(done, total int64)) error {
	if err := e.flattenLayer(ctx, layer, progress); err != nil {
		return fmt.Errorf("flatten layer %q: %w", layer, noSpace(err))
	}
	return nil
}

func (e *Engine) flattenLayer(ctx context.Context, layer string, progress func(done, total int64)) error {
	ctx, leave, err := e.enterLong(ctx)
	if err != nil {
		return err
	}
	defer leave()
	e.mu.Lock()
	l, err := e.layer(layer)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	parent := l.meta.Parent
	flat := parent == "" || e.isOwn(parent)
	e.mu.Unlock()
	if flat {
		return nil
	}
	return e.flatten(ctx, parent, "", "", l, newPace(false, progress))
}

// enterLong admits work that takes long, one at a time, and ends it with the
// engine.
func (e *Engine) enterLong(ctx context.Context) (context.Context, func(), error) {
	leave, err := e.enter()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := e.until(ctx)
	e.waiting.Add(1)
	defer e.waiting.Add(-1)
	select {
	case e.jobs <- struct{}{}:
		return ctx, func() { <-e.jobs; cancel(); leave() }, nil
	case <-ctx.Done():
		err := ctx.Err()
		cancel()
		leave()
		return nil, nil, err
	}
}

// flatten replaces the layers from top down to, and not including, stop by one
// new layer that reads the same, beneath a volume or beneath the layer above.
// A new layer is whole and durable before anything refers to it, and the old
// ones go only after the reference is durable: a crash leaves the one or the
// other, and Open sweeps away what nothing refers to.
func (e *Engine) flatten(ctx context.Context, top, stop, volume string, above *layerState, p *pace) error {
	merged, err := e.merge(ctx, top, stop, volume, above, p)
	if err != nil {
		return err
	}
	if above != nil {
		err = e.putUnderLayer(above, top, merged)
	} else {
		err = e.putUnderVolume(volume, top, merged)
	}
	if err != nil {
		return e.orCollect(err, merged)
	}
	e.collect(top)
	e.recountAll()
	return nil
}

// merge makes the new layer. What the layer above hides is left out.
func (e *Engine) merge(ctx context.Context, top, stop, volume string, above *layerState, p *pace) (string, error) {
	c, err := e.acquire(top)
	if err != nil {
		return "", err
	}
	defer func() { _ = e.release(c) }()
	b, err := e.NewLayerOn(stop, c.size)
	if err != nil {
		return "", err
	}
	b.SetKeep(false)
	m := merger{c: c, b: b, blocks: blocksFor(c.size), pace: p}
	if err := m.prepare(e, above); err != nil {
		return "", errors.Join(err, b.Abort())
	}
	if p.gentle { // or each snapshot would have all copied, and then refused
		err = e.mayCopy(volume, stop, m.stored(), p.slow != nil)
	}
	if err == nil {
		err = m.copy(ctx, func() bool { return p.gentle && !e.wants(top, volume, above) })
	}
	if err != nil {
		return "", errors.Join(err, b.Abort())
	}
	info, err := b.Seal(ctx)
	if err != nil {
		return "", errors.Join(err, b.Abort())
	}
	return info.ID, nil
}

// merger copies blocks from a chain to a builder on one of its layers.
type merger struct {
	c      *chain
	b      *LayerBuilder
	blocks int64                       // of the disk
	taken  [maxDepth + 1]bool          // sources to copy; the others stay below
	hidden func(b int64) (bool, int64) // by the layer above
	pace   *pace
}

func (m *merger) prepare(e *Engine, above *layerState) error {
	stays := map[*layerState]bool{}
	if base := m.b.over.base; base != nil {
		for _, l := range base.layers {
			stays[l] = true
		}
	}
	for k, l := range m.c.layers {
		m.taken[k+1] = !stays[l]
	}
	m.hidden = func(b int64) (bool, int64) { return false, m.blocks - b }
	if above == nil {
		return nil
	}
	e.mu.Lock()
	meta := above.meta
	e.mu.Unlock()
	own, err := e.readLayerMap(&meta)
	if err != nil {
		return fmt.Errorf("layer %q: %w", meta.ID, err)
	}
	clip := blocksFor(meta.Clip)
	m.hidden = func(b int64) (bool, int64) {
		if b >= clip || b >= own.blocks {
			return true, m.blocks - b
		}
		s, n := own.run(b, min(clip, own.blocks)-b)
		return s != below, n
	}
	return nil
}

// each calls fn for the runs of blocks that are to be in the new layer, of at
// most one MiB.
func (m *merger) each(fn func(b, n int64, source uint8) error) error {
	parent := newView(m.c.size, m.b.over.base, m.c.size)
	for b := int64(0); b < m.blocks; {
		hidden, n := m.hidden(b)
		if !hidden {
			var source uint8
			source, n = m.c.run(b, min(n, chunkSize>>blockShift), m.blocks)
			if m.taken[source] || source == 0 && !parent.isZeroAt(b, n) {
				if err := fn(b, n, source); err != nil {
					return err
				}
			}
		}
		b += n
	}
	return nil
}

// stored is how many bytes the new layer will have at most.
func (m *merger) stored() (n int64) {
	_ = m.each(func(_, blocks int64, source uint8) error {
		if source != 0 {
			n += blocks << blockShift
		}
		return nil
	})
	return n
}

// copy ends with errChanged once nobody wants it any more.
func (m *merger) copy(ctx context.Context, unwanted func() bool) error {
	total := int64(0)
	_ = m.each(func(_, n int64, _ uint8) error { total += n << blockShift; return nil })
	m.pace.start(total)
	buf := make([]byte, chunkSize)
	return m.each(func(b, n int64, source uint8) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if unwanted() {
			return errChanged
		}
		off := b << blockShift
		length := min(n<<blockShift, m.c.size-off)
		if err := m.copyRun(buf[:length], off, source); err != nil {
			return err
		}
		m.pace.step(ctx, n<<blockShift)
		return nil
	})
}

func (m *merger) copyRun(p []byte, off int64, source uint8) error {
	if source == 0 {
		return m.b.Unmap(off, int64(len(p)))
	}
	if err := m.c.read(p, off, source); err != nil {
		return fmt.Errorf("layer %q at %d: %w", m.c.layers[source-1].id, off, err)
	}
	_, err := m.b.WriteAt(p, off)
	return err
}

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
