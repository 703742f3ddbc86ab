package cow

import (
	"fmt"

	"bootes.dev/internal/block"
)

// Layer is a sealed layer with all below it, opened for reading: a
// block.Device that refuses changes.
type Layer struct {
	e     *Engine
	chain *chain
	view  view
	gone  closeOnce
}

var _ block.Device = (*Layer)(nil)

// OpenLayer opens a layer for reading; any number of times.
func (e *Engine) OpenLayer(id string) (*Layer, error) {
	c, err := e.acquire(id)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.top().readers++
	return &Layer{e: e, chain: c, view: c.view()}, nil
}

// OpenSnapshot opens a snapshot of a volume for reading. It can be read until
// it is closed, also if it is removed meanwhile. It returns ErrNotExist for an
// unknown volume or snapshot.
func (e *Engine) OpenSnapshot(volume, name string) (*Layer, error) {
	e.mu.Lock()
	s, err := e.volume(volume)
	id := ""
	if err == nil {
		i := s.meta.snapshot(name)
		if i < 0 {
			err = ErrNotExist
		} else {
			id = s.meta.Snapshots[i].Layer
		}
	}
	e.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("snapshot %q of volume %q: %w", name, volume, err)
	}
	return e.OpenLayer(id)
}

func (l *Layer) ReadAt(p []byte, off int64) (int, error) {
	if err := l.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	return l.view.ReadAt(p, off)
}

func (l *Layer) check(off, n int64) error {
	if l.gone.done() {
		return block.ErrClosed
	}
	return block.CheckRange(l.view.size, off, n)
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
func (l *Layer) Size() int64                              { return l.view.size }

// Close gives the layer's files back when the last user has closed.
func (l *Layer) Close() error {
	if !l.gone.close() {
		return nil
	}
	top := l.chain.top()
	l.e.mu.Lock()
	top.readers--
	l.e.mu.Unlock()
	err := l.e.release(l.chain)
	l.e.collect(top.id)
	return err
}
