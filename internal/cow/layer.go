package cow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// LayerInfo describes a sealed layer.
type LayerInfo struct {
	ID      string
	Parent  string // "": none
	Size    int64  // bytes of the disk
	Stored  int64  // bytes that this layer's files occupy
	Digest  string // "sha256:…" of the disk's content
	Created time.Time
}

// loadLayer notes a layer found at Open. A damaged one is left where it is
// and costs only the volumes on it.
func (e *Engine) loadLayer(id string) error {
	m := new(layerMeta)
	err := readMeta(e.fs, e.path("layers", id, "meta"), m)
	if err == nil {
		err = m.check(id)
	}
	if err != nil {
		e.log.Error("layer cannot be used", "layer", id, "err", err)
		return nil
	}
	e.layers[id] = m
	return nil
}

// Layers lists the sealed layers by ID.
func (e *Engine) Layers() []LayerInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]LayerInfo, 0, len(e.layers))
	for _, m := range e.layers {
		list = append(list, e.layerInfo(m))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// Layer returns ErrNotExist for an unknown ID.
func (e *Engine) Layer(id string) (LayerInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.layer(id)
	if err != nil {
		return LayerInfo{}, err
	}
	return e.layerInfo(m), nil
}

func (e *Engine) layer(id string) (*layerMeta, error) {
	if e.closed {
		return nil, errEngineClosed
	}
	m := e.layers[id]
	if m == nil {
		return nil, fmt.Errorf("layer %q: %w", id, ErrNotExist)
	}
	return m, nil
}

func (e *Engine) layerInfo(m *layerMeta) LayerInfo {
	stored, err := allocated(e.fs, e.path("layers", m.ID))
	if err != nil {
		e.log.Error("cannot measure layer", "layer", m.ID, "err", err)
	}
	return LayerInfo{m.ID, m.Parent, m.Size, stored, m.Digest, m.Created}
}

// acquire opens a layer's chain, or joins those who have it open. The caller
// holds mu.
func (e *Engine) acquire(id string) (*chain, error) {
	if c := e.chains[id]; c != nil {
		c.refs++
		return c, nil
	}
	m, err := e.layer(id)
	if err != nil {
		return nil, err
	}
	c := newChain(m.Size)
	if err := e.resolve(c, m, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("open layer %q: %w", id, err), c.close())
	}
	c.refs = 1
	e.chains[id] = c
	return c, nil
}

// resolve adds a layer's ancestors to the chain, and then the layer.
func (e *Engine) resolve(c *chain, m *layerMeta, depth int) error {
	if m.Size > c.size || depth >= maxDepth {
		return fmt.Errorf("impossible chain at layer %q: %w", m.ID, block.ErrCorrupt)
	}
	if m.Parent != "" {
		parent, err := e.layer(m.Parent)
		if err != nil {
			return fmt.Errorf("%w: %w", block.ErrCorrupt, err)
		}
		if err := e.resolve(c, parent, depth+1); err != nil {
			return err
		}
	}
	own, err := e.readLayerMap(m)
	if err != nil {
		return err
	}
	f, err := e.openData(e.path("layers", m.ID, "data"), m.Size, os.O_RDONLY)
	if err != nil {
		return err
	}
	if err := c.add(own, f); err != nil {
		f.Close()
		return err
	}
	return nil
}

func (e *Engine) readLayerMap(m *layerMeta) (*presence, error) {
	f, err := e.fs.OpenFile(e.path("layers", m.ID, "map"), os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", block.ErrCorrupt, err)
	}
	defer f.Close()
	own := newPresence(blocksFor(m.Size))
	d, err := readDirectory(f, own.blocks)
	if err == nil {
		err = readPages(f, d, &own)
	}
	return &own, err
}

// openData opens a data file and refuses one of the wrong length.
func (e *Engine) openData(name string, size int64, flag int) (vfs.File, error) {
	f, err := e.fs.OpenFile(name, flag)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", block.ErrCorrupt, err)
	}
	fi, err := f.Stat()
	if err == nil && fi.Size != dataLength(size) {
		err = fmt.Errorf("%q has %d bytes, not %d: %w", name, fi.Size, dataLength(size), block.ErrCorrupt)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (e *Engine) release(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.releaseLocked(id)
}

func (e *Engine) releaseLocked(id string) error {
	c := e.chains[id]
	if c == nil {
		return nil
	}
	if c.refs--; c.refs > 0 {
		return nil
	}
	delete(e.chains, id)
	return c.close()
}

// Layer is a sealed layer with all below it, opened for reading: a
// block.Device that refuses changes.
type Layer struct {
	e     *Engine
	id    string
	chain *chain
	gone  closeOnce
}

var _ block.Device = (*Layer)(nil)

// OpenLayer opens a layer for reading; any number of times.
func (e *Engine) OpenLayer(id string) (*Layer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.acquire(id)
	if err != nil {
		return nil, err
	}
	return &Layer{e: e, id: id, chain: c}, nil
}

func (l *Layer) ReadAt(p []byte, off int64) (int, error) {
	if err := l.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	return l.chain.ReadAt(p, off)
}

func (l *Layer) check(off, n int64) error {
	if l.gone.done() {
		return block.ErrClosed
	}
	return block.CheckRange(l.chain.size, off, n)
}

func (l *Layer) refuse(off, n int64) error {
	if err := l.check(off, n); err != nil {
		return err
	}
	return block.ErrReadOnly
}

func (l *Layer) WriteAt(p []byte, off int64) (int, error) { return 0, l.refuse(off, int64(len(p))) }
func (l *Layer) Unmap(off, n int64) error                 { return l.refuse(off, n) }
func (l *Layer) Flush() error                             { return l.check(0, 0) }
func (l *Layer) Size() int64                              { return l.chain.size }

// Close gives the layer's files back when the last user has closed.
func (l *Layer) Close() error {
	if !l.gone.close() {
		return nil
	}
	return l.e.release(l.id)
}

// RemoveLayer removes a layer that nothing is built on: it returns a
// DependentsError otherwise, and an InUseError while it is open.
func (e *Engine) RemoveLayer(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.layer(id); err != nil {
		return err
	}
	if d := e.dependents(id); len(d.Layers)+len(d.Volumes) > 0 {
		return d
	}
	if e.chains[id] != nil {
		return &InUseError{What: fmt.Sprintf("layer %q", id)}
	}
	if err := e.discard(e.path("layers", id)); err != nil {
		return fmt.Errorf("remove layer %q: %w", id, err)
	}
	delete(e.layers, id)
	return nil
}

func (e *Engine) dependents(id string) *DependentsError {
	d := &DependentsError{Layer: id}
	for _, m := range e.layers {
		if m.Parent == id {
			d.Layers = append(d.Layers, m.ID)
		}
	}
	for _, s := range e.volumes {
		if s.meta.Base == id {
			d.Volumes = append(d.Volumes, s.meta.ID)
		}
	}
	sort.Strings(d.Layers)
	sort.Strings(d.Volumes)
	return d
}

// VerifyLayer reads the whole layer and returns block.ErrCorrupt if its
// content is not what was sealed.
func (e *Engine) VerifyLayer(ctx context.Context, id string) error {
	l, err := e.OpenLayer(id)
	if err != nil {
		return err
	}
	defer l.Close()
	info, err := e.Layer(id)
	if err != nil {
		return err
	}
	got, err := hashChunks(ctx, l.chain, info.Size)
	if err != nil {
		return fmt.Errorf("verify layer %q: %w", id, err)
	}
	if digestOf(info.Size, got) == info.Digest {
		return nil
	}
	want, err := vfs.ReadFile(e.fs, e.path("layers", id, "hashes"), chunksFor(info.Size)*hashSize)
	if err != nil {
		e.log.Error("cannot read the list of hashes", "layer", id, "err", err)
	}
	return fmt.Errorf("verify layer %q: %w", id, firstDifference(want, got))
}
