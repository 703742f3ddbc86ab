package cow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// LayerBuilder makes one layer. Until Seal has returned nil there is no
// layer; what a builder leaves behind when it is not sealed, the next Open
// removes.
type LayerBuilder struct {
	e      *Engine
	id     string
	parent string

	mu   sync.Mutex // guards all below
	over overlay
	done bool
}

// closeOnce tells the first Close from later ones.
type closeOnce struct{ closed atomic.Bool }

func (c *closeOnce) close() bool { return c.closed.CompareAndSwap(false, true) }
func (c *closeOnce) done() bool  { return c.closed.Load() }

// NewLayer starts a layer with nothing below it: what is not written is zeros.
func (e *Engine) NewLayer(size int64) (*LayerBuilder, error) { return e.NewLayerOn("", size) }

// NewLayerOn starts a layer on a parent, which may be smaller: what is not
// written is the parent's, and zeros beyond its end.
func (e *Engine) NewLayerOn(parent string, size int64) (*LayerBuilder, error) {
	if err := checkSize(size); err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errEngineClosed
	}
	b := &LayerBuilder{e: e, id: uuid.NewString(), parent: parent}
	var base *chain
	if parent != "" {
		var err error
		if base, err = e.acquire(parent); err != nil {
			return nil, err
		}
		if base.size > size {
			return nil, errors.Join(fmt.Errorf("make layer: %d bytes, fewer than its parent's %d", size, base.size), e.releaseLocked(parent))
		}
	}
	b.over = newOverlay(size, base)
	if err := b.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("make layer: %w", err), e.releaseLocked(parent))
	}
	e.made[b] = struct{}{}
	return b, nil
}

func (b *LayerBuilder) dir() string { return b.e.path("tmp", "layer-"+b.id) }

func (b *LayerBuilder) create() error {
	if err := b.e.fs.Mkdir(b.dir()); err != nil {
		return noSpace(err)
	}
	f, err := b.e.fs.OpenFile(b.dir()+"/data", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return noSpace(err)
	}
	b.over.data = f
	if err := f.Truncate(dataLength(b.over.size)); err != nil {
		return errors.Join(noSpace(err), f.Close())
	}
	return nil
}

// WriteAt writes any aligned range. Blocks that are all zeros are noted, not
// stored.
func (b *LayerBuilder) WriteAt(p []byte, off int64) (n int, err error) {
	if err := block.CheckRange(b.over.size, off, int64(len(p))); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, block.ErrClosed
	}
	for n < len(p) {
		m, err := b.writeSome(p[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// writeSome writes one part of a block, or a run of whole blocks that are all
// zeros or all not.
func (b *LayerBuilder) writeSome(p []byte, off int64) (int, error) {
	first := off >> blockShift
	length := b.blockLength(first)
	if off%BlockSize != 0 || len(p) < length {
		n := min(len(p), length-int(off%BlockSize))
		return n, b.writePart(p[:n], off)
	}
	n, nought := length, isZero(p[:length])
	for n < len(p) {
		next := b.blockLength((off + int64(n)) >> blockShift)
		if len(p)-n < next || isZero(p[n:n+next]) != nought {
			break
		}
		n += next
	}
	if nought {
		return n, b.eraseBlocks(first, blocksFor(int64(n)))
	}
	return n, b.storeBlocks(p[:n], off)
}

// blockLength is BlockSize but for the last block of a disk of odd size.
func (b *LayerBuilder) blockLength(at int64) int {
	return int(min(BlockSize, b.over.size-at<<blockShift))
}

func (b *LayerBuilder) writePart(p []byte, off int64) error {
	at := off >> blockShift
	var buf [BlockSize]byte
	if err := b.over.fill(&buf, at); err != nil {
		return err
	}
	copy(buf[off%BlockSize:], p)
	whole := buf[:b.blockLength(at)]
	if isZero(whole) {
		return b.eraseBlocks(at, 1)
	}
	return b.storeBlocks(whole, at<<blockShift)
}

func (b *LayerBuilder) storeBlocks(p []byte, off int64) error {
	first, n := off>>blockShift, blocksFor(int64(len(p)))
	if fresh := n - b.over.own.here(first, n); fresh > 0 {
		if err := b.e.space.take(fresh << blockShift); err != nil {
			return err
		}
	}
	if _, err := b.over.data.WriteAt(p, off); err != nil {
		return ioError(err)
	}
	b.over.own.set(first, n, here)
	return nil
}

func (b *LayerBuilder) eraseBlocks(first, n int64) error {
	if b.over.own.here(first, n) > 0 {
		if err := b.over.data.Punch(first<<blockShift, n<<blockShift); err != nil {
			return ioError(err)
		}
	}
	b.over.own.set(first, n, zero)
	return nil
}

// Seal hashes the content, makes the layer durable and then visible. After an
// error there is no layer, and Abort is still to be called.
func (b *LayerBuilder) Seal(ctx context.Context) (LayerInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return LayerInfo{}, block.ErrClosed
	}
	m, err := b.finish(ctx)
	if err != nil {
		return LayerInfo{}, fmt.Errorf("seal layer: %w", noSpace(err))
	}
	e := b.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.publish(b.dir(), e.path("layers", b.id), true); err != nil {
		return LayerInfo{}, fmt.Errorf("seal layer: %w", err)
	}
	b.done = true
	delete(e.made, b)
	e.layers[b.id] = m
	return e.layerInfo(m), errors.Join(b.over.data.Close(), e.releaseLocked(b.parent))
}

// finish writes all files of the layer durably in its temporary place.
func (b *LayerBuilder) finish(ctx context.Context) (*layerMeta, error) {
	list, err := hashChunks(ctx, &b.over, b.over.size)
	if err != nil {
		return nil, err
	}
	if err := b.over.data.Sync(); err != nil {
		return nil, err
	}
	fs := b.e.fs
	for _, name := range []string{"map", "hashes"} { // of a Seal that failed before
		if err := fs.Remove(b.dir() + "/" + name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if err := writeHashes(fs, b.dir()+"/hashes", list); err != nil {
		return nil, err
	}
	if err := writeMap(fs, b.dir()+"/map", &b.over.own); err != nil {
		return nil, err
	}
	m := &layerMeta{
		ID: b.id, Parent: b.parent, Size: b.over.size,
		Digest: digestOf(b.over.size, list), Created: time.Now().UTC(),
	}
	return m, writeMeta(fs, b.dir()+"/meta", m, true)
}

// writeMap stores a whole map durably, as generation 0.
func writeMap(fs vfs.FS, name string, own *presence) error {
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer f.Close()
	d := &directory{header{Blocks: uint64(own.blocks)}, make([]entry, len(own.pages))}
	if err := f.Truncate(pageOffset(own.blocks, int64(len(own.pages)), 0)); err != nil {
		return err
	}
	for i := range own.pages {
		if d.entries[i], err = writePage(f, own.blocks, int64(i), own.pages[i].Load(), entry{}); err != nil {
			return err
		}
	}
	if err := writeDirectory(f, d); err != nil {
		return err
	}
	return f.Sync()
}

// Abort throws the unfinished layer away. After Seal it does nothing.
func (b *LayerBuilder) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return nil
	}
	b.done = true
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	delete(b.e.made, b)
	return errors.Join(b.over.data.Close(), b.e.trash.throw(b.dir()), b.e.releaseLocked(b.parent))
}
