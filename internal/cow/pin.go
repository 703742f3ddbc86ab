package cow

import (
	"sync"
	"syscall"

	"bootes.dev/internal/block"
)

// A sealed layer never changes, so the kernel may send what lies in one straight
// from its cache. That cannot be said of an overlay: a socket holds pages, not
// their content, and a write would show in the middle of a sector that is on its way.

var (
	_ block.Pinner = (*Volume)(nil)
	_ block.Pinner = (*Layer)(nil)
)

// kernelFile is a vfs.File with a descriptor that the kernel can read from. Files
// that are wrapped, in tests, are none.
type kernelFile interface{ Conn() syscall.RawConn }

// pin keeps a chain open, and with it the files of its layers.
type pin struct {
	e *Engine
	c *chain
	l *layerState
}

var pins = sync.Pool{New: func() any { return new(pin) }}

// Bad implements block.Held.
func (p *pin) Bad() { p.l.unpinnable.Store(true) }

// Release implements block.Held.
func (p *pin) Release() {
	e, c := p.e, p.c
	*p = pin{}
	pins.Put(p)
	if err := e.release(c); err != nil {
		e.log.Error("cannot close layer", "err", err)
	}
}

// Pin implements block.Pinner: for what lies in one layer below.
func (v *Volume) Pin(off, n int64) (block.Pinned, bool) {
	if v.look(off, n) != nil {
		return block.Pinned{}, false
	}
	t := v.top.Load()
	p, ok := t.pin(v.e, off, n, func() bool { return v.top.Load() == t && !v.closed.Load() })
	if ok {
		v.stats.reads.Add(1)
		v.stats.readBytes.Add(n)
	}
	return p, ok
}

// Pin implements block.Pinner.
func (l *Layer) Pin(off, n int64) (block.Pinned, bool) {
	if l.check(off, n) != nil {
		return block.Pinned{}, false
	}
	return l.view.pin(l.e, off, n, func() bool { return !l.gone.done() })
}

// pin asks current, with the engine's mu held, whether the view's chain is still
// open: whoever gives it back has said so before.
func (v *view) pin(e *Engine, off, n int64, current func() bool) (block.Pinned, bool) {
	b, end := off>>blockShift, blocksFor(off+n)
	if b == end {
		return block.Pinned{}, false
	}
	from, source, run := v.run(b, end-b)
	if from != below || source == 0 || run < end-b {
		return block.Pinned{}, false
	}
	l, file := v.base.layers[source-1], v.base.files[source-1]
	f, ok := file.(kernelFile)
	if !ok || l.unpinnable.Load() {
		return block.Pinned{}, false
	}
	if cached := file.Cached(off, n); cached >= 0 && cached < n {
		return block.Pinned{}, false
	}
	e.mu.Lock()
	ok = current()
	if ok {
		v.base.refs++
	}
	e.mu.Unlock()
	if !ok {
		return block.Pinned{}, false
	}
	p := pins.Get().(*pin)
	*p = pin{e, v.base, l}
	return block.Pinned{File: f.Conn(), Off: off, Held: p}, true
}
