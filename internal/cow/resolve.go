package cow

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// lineage returns a layer with all its ancestors, from the top to the bottom,
// or says what is wrong with one of them. The caller holds mu.
func (e *Engine) lineage(id string) ([]*layerState, error) {
	var list []*layerState
	for id != "" {
		l := e.layers[id]
		switch {
		case l == nil && list == nil:
			return nil, fmt.Errorf("layer %q: %w", id, ErrNotExist)
		case l == nil:
			return nil, &missingError{fmt.Sprintf("layer %q, the parent of %q,", id, list[len(list)-1].id)}
		case l.bad != nil:
			return nil, fmt.Errorf("layer %q: %w", id, l.bad)
		case len(list) == maxDepth:
			return nil, fmt.Errorf("chain of more than %d layers from %q: %w", maxDepth, list[0].id, block.ErrCorrupt)
		}
		list = append(list, l)
		id = l.meta.Parent
	}
	return list, nil
}

// acquire opens a layer's chain, or joins those who have it open. The layers
// are pinned from the start, so that none is thrown away under the reader.
func (e *Engine) acquire(id string) (*chain, error) {
	e.mu.Lock()
	if c := e.chains[id]; c != nil && !e.closed {
		c.refs++
		e.mu.Unlock()
		<-c.ready
		if c.err != nil {
			return nil, errors.Join(c.err, e.release(c))
		}
		return c, nil
	}
	line, err := e.lineage(id)
	if e.closed {
		err = errEngineClosed
	}
	if err != nil {
		e.mu.Unlock()
		return nil, err
	}
	c, rest := e.nearest(line)
	c.refs, c.ready = 1, make(chan struct{})
	c.pinned = slices.Concat(c.layers, rest)
	for _, l := range c.pinned {
		l.pins++
	}
	e.chains[id] = c
	e.mu.Unlock()

	c.err = e.resolve(c, rest)
	c.mine = nil
	close(c.ready)
	if c.err != nil {
		return nil, errors.Join(c.err, e.release(c))
	}
	return c, nil
}

// nearest starts a chain from the nearest ancestor that is open, and returns
// the layers that are to be added, in that order.
func (e *Engine) nearest(line []*layerState) (c *chain, rest []*layerState) {
	for _, l := range line {
		if open := e.chains[l.id]; open != nil && open.isReady() {
			c = open
			break
		}
		rest = append([]*layerState{l}, rest...)
	}
	return c.above(), rest
}

func (c *chain) isReady() bool {
	select {
	case <-c.ready:
		return c.err == nil
	default:
		return false
	}
}

func (e *Engine) resolve(c *chain, layers []*layerState) error {
	for _, l := range layers {
		e.mu.Lock()
		m := l.meta
		e.mu.Unlock()
		own, err := e.readLayerMap(&m)
		if err != nil {
			return fmt.Errorf("layer %q: %w", m.ID, err)
		}
		f, err := e.layerData(l, &m)
		if err != nil {
			return fmt.Errorf("layer %q: %w", m.ID, err)
		}
		c.grow(m.Size, m.Clip)
		c.add(l, f, own)
	}
	return nil
}

func (e *Engine) readLayerMap(m *layerMeta) (*presence, error) {
	f, err := e.fs.OpenFile(e.path("layers", m.ID, "map"), os.O_RDONLY)
	if err != nil {
		return nil, missing(err)
	}
	defer f.Close()
	blocks := blocksFor(m.Size)
	d, err := readDirectory(f, uuid.MustParse(m.ID), blocks)
	if err != nil {
		return nil, err
	}
	if d.LogSize != 0 || int64(d.Here)<<blockShift != m.Own {
		return nil, fmt.Errorf("its map is not the one that was sealed: %w", block.ErrCorrupt)
	}
	own := newPresence(blocks)
	return &own, readPages(f, d, &own)
}

// layerData is the open data file of a layer, which the chains over it share.
// The caller has it pinned.
func (e *Engine) layerData(l *layerState, m *layerMeta) (vfs.File, error) {
	e.mu.Lock()
	f := l.file
	e.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := openData(e.fs, e.path("layers", m.ID, "data"), uuid.MustParse(m.ID), m.Size, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.file != nil { // somebody was faster
		return l.file, f.Close()
	}
	l.file = f
	return f, nil
}

// release gives a chain back. With the last one go the open files, and what
// was removed while it was being read.
func (e *Engine) release(c *chain) error {
	if c == nil {
		return nil
	}
	e.mu.Lock()
	if c.refs--; c.refs > 0 {
		e.mu.Unlock()
		return nil
	}
	for id, other := range e.chains {
		if other == c {
			delete(e.chains, id)
		}
	}
	var files []vfs.File
	var dead []*layerState
	for _, l := range c.pinned {
		if l.pins--; l.pins > 0 {
			continue
		}
		if l.file != nil {
			files = append(files, l.file)
			l.file = nil
		}
		if l.dead {
			dead = append(dead, l)
		}
	}
	e.mu.Unlock()
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	for _, l := range dead {
		e.throwLayer(l)
	}
	return errors.Join(errs...)
}
