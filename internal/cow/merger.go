package cow

import (
	"context"
	"fmt"
)

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
