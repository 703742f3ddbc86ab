package cow

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// nextToHash finds a kept layer without a digest. The caller holds mu.
func (e *Engine) nextToHash() *job {
	for id, l := range e.layers {
		name := "hash layer " + id
		if l.bad == nil && l.meta.Keep && l.meta.Digest == "" && !e.skips(name) {
			return &job{name, "", func(ctx context.Context) error {
				err := e.hashLayer(ctx, id, 1)
				if errors.Is(err, ErrNotExist) { // removed meanwhile
					return nil
				}
				return err
			}}
		}
	}
	return nil
}

// hashLayer gives a layer its hashes and its digest, if it has none; a single
// worker does so in the background, at half speed. The list
// is durable before the meta with the digest says that it is there.
func (e *Engine) hashLayer(ctx context.Context, id string, workers int) error {
	c, err := e.acquire(id)
	if err != nil {
		return err
	}
	defer func() { _ = e.release(c) }()
	l := c.top()
	list, err := e.hashChain(ctx, c, workers)
	if e.gone(id) {
		err = ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("hash layer %q: %w", id, err)
	}
	if err := e.putHashes(l, list); err != nil {
		return fmt.Errorf("hash layer %q: %w", id, err)
	}
	if info, err := e.Layer(id); err == nil {
		e.o.Hashed(info)
	}
	return nil
}

// putHashes leaves a list alone that somebody else has made meanwhile: it is
// the same, and may be being read.
func (e *Engine) putHashes(l *layerState, list []byte) error {
	l.op.Lock()
	defer l.op.Unlock()
	e.mu.Lock()
	m, gone := l.meta, l.dead
	e.mu.Unlock()
	if gone {
		return ErrNotExist
	}
	if m.Digest != "" {
		return nil
	}
	folder := e.path("layers", l.id)
	if err := writeHashes(e.fs, folder+"/hashes", list); err != nil {
		return noSpace(err)
	}
	if err := e.fs.SyncDir(folder); err != nil {
		return err
	}
	l.stored.Store(0)
	return e.editLayerLocked(l, func(m *layerMeta) { m.Digest = digestOf(m.Size, list) })
}

// hashChain hashes a layer. Of the MiBs that are as in the nearest ancestor
// that has hashes it takes those, and reads only the others. It gives up when
// the layer is removed.
func (e *Engine) hashChain(ctx context.Context, c *chain, workers int) ([]byte, error) {
	v := c.view()
	known := e.knownHashes(c)
	p := newPace(workers == 1, nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return hashChunks(ctx, &v, v.size, workers, func(i int64, to []byte) bool {
		p.step(ctx, chunkSize)
		if e.gone(c.top().id) {
			cancel()
		}
		return known != nil && known(i, to)
	})
}

// knownHashes returns nil if no ancestor has hashes that can be trusted.
func (e *Engine) knownHashes(c *chain) func(i int64, to []byte) bool {
	for k := len(c.layers) - 2; k >= 0; k-- {
		l := c.layers[k]
		e.mu.Lock()
		m := l.meta
		e.mu.Unlock()
		if m.Digest == "" {
			continue
		}
		list, err := e.readHashes(&m)
		if err != nil {
			e.log.Warn("cannot use the hashes of a layer", "layer", m.ID, "err", err)
			continue
		}
		old, err := e.acquire(m.ID)
		if err != nil {
			return nil
		}
		// Only its map is needed from here on.
		diff := compare(c, old)
		_ = e.release(old)
		return func(i int64, to []byte) bool {
			n := min(chunkSize, c.size-i*chunkSize)
			if min(chunkSize, old.size-i*chunkSize) != n || !diff.same(i*chunkSize>>blockShift, blocksFor(n)) {
				return false
			}
			copy(to, list[i*hashSize:])
			return true
		}
	}
	return nil
}

// readHashes returns a layer's list, which must be the one of its digest.
func (e *Engine) readHashes(m *layerMeta) ([]byte, error) {
	want := chunksFor(m.Size) * hashSize
	list, err := vfs.ReadFile(e.fs, e.path("layers", m.ID, "hashes"), want)
	if err != nil {
		return nil, missing(err)
	}
	if int64(len(list)) != want || digestOf(m.Size, list) != m.Digest {
		return nil, fmt.Errorf("list of hashes has changed: %w", block.ErrCorrupt)
	}
	return list, nil
}
