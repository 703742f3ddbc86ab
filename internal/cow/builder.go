package cow

import (
	"bytes"
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
	id     uuid.UUID
	parent string

	mu       sync.Mutex // guards all below
	over     view
	own      presence
	data     vfs.File
	skipSame bool
	keep     bool
	origin   string
	done     bool
}

// closeOnce tells the first Close from later ones.
type closeOnce struct{ closed atomic.Bool }

func (c *closeOnce) close() bool { return c.closed.CompareAndSwap(false, true) }
func (c *closeOnce) done() bool  { return c.closed.Load() }

// NewLayer starts a layer with nothing below it: what is not written is zeros.
func (e *Engine) NewLayer(size int64) (*LayerBuilder, error) { return e.NewLayerOn("", size) }

// NewLayerOn starts a layer on a parent, which may be smaller or larger: what
// is not written is the parent's, and zeros beyond its end.
func (e *Engine) NewLayerOn(parent string, size int64) (*LayerBuilder, error) {
	b, err := e.newLayerOn(parent, size)
	if err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	return b, nil
}

func (e *Engine) newLayerOn(parent string, size int64) (*LayerBuilder, error) {
	if err := checkSize(size); err != nil {
		return nil, err
	}
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := e.roomAbove(parent); err != nil {
		return nil, err
	}
	var base *chain
	if parent != "" {
		if base, err = e.acquire(parent); err != nil {
			return nil, err
		}
	}
	b := &LayerBuilder{e: e, id: uuid.New(), parent: parent, keep: true, own: newPresence(blocksFor(size))}
	b.over = newView(size, base, size)
	if err := e.register(b); err != nil {
		return nil, errors.Join(err, e.release(base))
	}
	if err := b.create(); err != nil {
		return nil, errors.Join(noSpace(err), b.drop())
	}
	return b, nil
}

// register makes the builder one of those who need its parent.
func (e *Engine) register(b *LayerBuilder) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.parent != "" && e.layers[b.parent] == nil { // removed meanwhile
		return fmt.Errorf("layer %q: %w", b.parent, ErrNotExist)
	}
	e.made[b] = struct{}{}
	return nil
}

// drop ends the builder's claim on its parent. The caller holds mu, or is
// alone.
func (b *LayerBuilder) drop() error {
	b.done = true
	b.e.mu.Lock()
	delete(b.e.made, b)
	b.e.mu.Unlock()
	var err error
	if b.data != nil {
		err = b.data.Close()
	}
	err = errors.Join(err, b.e.release(b.over.base), b.e.throwIfThere(b.dir()))
	b.e.collect(b.parent)
	return err
}

func (b *LayerBuilder) dir() string { return b.e.path("tmp", "layer-"+b.id.String()) }

func (b *LayerBuilder) create() (err error) {
	if err := b.e.fs.Mkdir(b.dir()); err != nil {
		return err
	}
	b.data, err = createData(b.e.fs, b.dir()+"/data", b.id, b.over.size, false)
	b.over.own, b.over.data = &b.own, b.data
	return err
}

// SkipSame has whole blocks that are as the parent has them not stored. It
// costs reading the parent.
func (b *LayerBuilder) SkipSame(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skipSame = on
}

// SetKeep says whether the layer stays until RemoveLayer, which is the default.
// One that is not kept goes with the last volume or layer that is built on it;
// until the first is, only closing the engine removes it. It is not hashed.
func (b *LayerBuilder) SetKeep(keep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep = keep
}

// SetOrigin notes where the content came from, for LayerInfo.
func (b *LayerBuilder) SetOrigin(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.origin = id
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

// storeBlocks stores whole blocks, the last one of the disk perhaps short, but
// those that need not be.
func (b *LayerBuilder) storeBlocks(p []byte, off int64) error {
	if !b.skipSame || b.over.base == nil {
		return b.store(p, off)
	}
	for len(p) > 0 {
		same, n, err := b.sameRun(p, off)
		if err != nil {
			return err
		}
		if same {
			err = b.forget(off>>blockShift, blocksFor(int64(n)), below)
		} else {
			err = b.store(p[:n], off)
		}
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (b *LayerBuilder) store(p []byte, off int64) error {
	first, n := off>>blockShift, blocksFor(int64(len(p)))
	if fresh := n - b.own.here(first, n); fresh > 0 {
		if err := b.e.space.take(fresh << blockShift); err != nil {
			return err
		}
	}
	if _, err := b.data.WriteAt(p, off); err != nil {
		return ioError(err)
	}
	b.own.set(first, n, here)
	return nil
}

// sameRun reports whether the first block of p is what the parent has there,
// and for how many bytes that answer holds, of at most one MiB.
func (b *LayerBuilder) sameRun(p []byte, off int64) (same bool, n int, err error) {
	parent := newView(b.over.size, b.over.base, b.over.size)
	p = p[:min(len(p), chunkSize)]
	was := make([]byte, len(p))
	if _, err := parent.ReadAt(was, off); err != nil {
		return false, 0, err
	}
	for n < len(p) {
		end := min(n+BlockSize, len(p))
		is := bytes.Equal(p[n:end], was[n:end])
		if n > 0 && is != same {
			break
		}
		same, n = is, end
	}
	return same, n, nil
}

func (b *LayerBuilder) eraseBlocks(first, n int64) error {
	parent := newView(b.over.size, b.over.base, b.over.size)
	if parent.isZeroAt(first, n) {
		return b.forget(first, n, below)
	}
	if !b.skipSame {
		return b.forget(first, n, zero)
	}
	for end := first + n; first < end; first++ { // zeros that the parent has stored
		s := below
		if !parent.isZeroAt(first, 1) {
			var buf [BlockSize]byte
			if err := parent.fill(&buf, first); err != nil {
				return err
			}
			if !isZero(buf[:]) {
				s = zero
			}
		}
		if err := b.forget(first, 1, s); err != nil {
			return err
		}
	}
	return nil
}

// forget gives blocks a state in which nothing is stored for them.
func (b *LayerBuilder) forget(first, n int64, s state) error {
	if b.own.here(first, n) > 0 {
		if err := b.data.Punch(first<<blockShift, n<<blockShift); err != nil {
			return ioError(err)
		}
	}
	b.own.set(first, n, s)
	return nil
}

// Unmap makes any aligned range zeros, whatever the parent has there.
func (b *LayerBuilder) Unmap(off, n int64) error {
	if err := block.CheckRange(b.over.size, off, n); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return block.ErrClosed
	}
	for n > 0 {
		first, step := off>>blockShift, n
		whole := n >> blockShift
		if off+n == b.over.size {
			whole = blocksFor(n)
		}
		var err error
		if off%BlockSize == 0 && whole > 0 {
			step = min(n, whole<<blockShift)
			err = b.eraseBlocks(first, whole)
		} else {
			step = min(n, BlockSize-off%BlockSize)
			err = b.writePart(zeros[:step], off)
		}
		if err != nil {
			return err
		}
		off, n = off+step, n-step
	}
	return nil
}

// Seal hashes the content, if the layer is to be kept, makes it durable and
// then visible. After an error there is no layer, and Abort is still to be
// called.
func (b *LayerBuilder) Seal(ctx context.Context) (LayerInfo, error) {
	leave, err := b.e.enter()
	if err != nil {
		return LayerInfo{}, err
	}
	defer leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return LayerInfo{}, block.ErrClosed
	}
	ctx, cancel := b.e.until(ctx)
	defer cancel()
	m, err := b.finish(ctx)
	if err == nil {
		err = b.e.publish(b.dir(), b.e.path("layers", m.ID), true)
	}
	if errors.Is(err, errUnsettled) { // not yet referred to: rather not
		err = errors.Join(err, b.e.throwIfThere(b.e.path("layers", m.ID)))
	}
	if err != nil {
		return LayerInfo{}, fmt.Errorf("seal layer: %w", noSpace(err))
	}
	e := b.e
	e.mu.Lock()
	e.layers[m.ID] = &layerState{id: m.ID, meta: *m}
	e.mu.Unlock()
	if err := b.drop(); err != nil {
		e.log.Warn("cannot close a builder", "layer", m.ID, "err", err)
	}
	e.wakeUp()
	return e.Layer(m.ID)
}

// finish writes all files of the layer durably in its temporary place.
func (b *LayerBuilder) finish(ctx context.Context) (*layerMeta, error) {
	if err := b.ownLastBlock(); err != nil {
		return nil, err
	}
	m := &layerMeta{
		ID: b.id.String(), Parent: b.parent, Size: b.over.size, Own: b.own.here(0, b.own.blocks) << blockShift,
		Keep: b.keep, Origin: b.origin, Created: time.Now().UTC(),
	}
	if b.over.base != nil {
		m.Clip = min(b.over.size, b.over.base.size)
	}
	if b.keep {
		list, err := hashChunks(ctx, &b.over, b.over.size, hashers(), nil)
		if err != nil {
			return nil, err
		}
		if err := writeHashes(b.e.fs, b.dir()+"/hashes", list); err != nil {
			return nil, err
		}
		m.Digest = digestOf(b.over.size, list)
	}
	if err := b.data.Sync(); err != nil {
		return nil, err
	}
	if err := writeMap(b.e.fs, b.dir()+"/map", b.id, &b.own); err != nil {
		return nil, err
	}
	return m, writeMeta(b.e.fs, b.dir()+"/meta", m, false) // publish syncs the folder
}

// ownLastBlock keeps the rule that a parent is cut off between blocks: if the
// disk ends within one, and the parent goes on, the block is stored.
func (b *LayerBuilder) ownLastBlock() error {
	last := b.over.size >> blockShift
	if b.over.size%BlockSize == 0 || b.over.base == nil || b.over.base.size <= b.over.size || b.own.get(last) != below {
		return nil
	}
	var buf [BlockSize]byte
	if err := b.over.fill(&buf, last); err != nil {
		return err
	}
	return b.store(buf[:b.blockLength(last)], last<<blockShift)
}

// emptyLayer makes a layer that reads as its parent does, as far as clip.
func (e *Engine) emptyLayer(parent string, clip, size int64, keep bool) (string, error) {
	if err := e.roomAbove(parent); err != nil {
		return "", err
	}
	id := uuid.New()
	m := &layerMeta{ID: id.String(), Parent: parent, Clip: clip, Size: size, Keep: keep, Created: time.Now().UTC()}
	tmp, to := e.path("tmp", "layer-"+m.ID), e.path("layers", m.ID)
	err := e.makeEmpty(tmp, id, m)
	if err == nil {
		err = e.publish(tmp, to, true)
	}
	if err != nil {
		if errors.Is(err, errUnsettled) {
			err = errors.Join(err, e.throwIfThere(to))
		}
		return "", errors.Join(noSpace(err), e.throwIfThere(tmp))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.layers[m.ID] = &layerState{id: m.ID, meta: *m}
	return m.ID, nil
}

func (e *Engine) makeEmpty(tmp string, id uuid.UUID, m *layerMeta) error {
	if err := e.fs.Mkdir(tmp); err != nil {
		return err
	}
	f, err := createData(e.fs, tmp+"/data", id, m.Size, true)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	own := newPresence(blocksFor(m.Size))
	if err := writeMap(e.fs, tmp+"/map", id, &own); err != nil {
		return err
	}
	return writeMeta(e.fs, tmp+"/meta", m, false) // publish syncs the folder
}

// writeMap stores a whole map durably, as generation 0.
func writeMap(fs vfs.FS, name string, id uuid.UUID, own *presence) error {
	if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) { // of a Seal that failed
		return err
	}
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer f.Close()
	d := &directory{header{Blocks: uint64(own.blocks), ID: id, Here: uint64(own.here(0, own.blocks))}, make([]entry, len(own.pages))}
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
	return b.drop()
}
