package cow

import (
	"context"
	"errors"
	"fmt"
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
	later    bool // to be hashed
	origin   string
	done     bool
	unsent   unsent
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

// HashLater has Seal return without a digest. The layer is hashed in the
// background, and Options.Hashed told.
func (b *LayerBuilder) HashLater(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.later = on
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

// Seal hashes the content, if the layer is to be kept and HashLater was not
// asked for, makes it durable and then visible. After an error there is no layer, and Abort is still to be
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
		err = ctx.Err()
	}
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
	if b.keep && !b.later {
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

// Abort throws the unfinished layer away. After Seal it does nothing.
func (b *LayerBuilder) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return nil
	}
	return b.drop()
}
