package cow

import (
	"context"
	"errors"
	"fmt"
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
