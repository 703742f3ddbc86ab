package iscsi

import (
	"sync"
	"sync/atomic"
)

// maxPiece is the largest buffer, the most that one burst carries.
const maxPiece = 256 << 10

// bufferSizes are the classes of the pool. Go aligns allocations of a power of
// two from 4 KiB on to 4 KiB, which direct I/O will want.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, maxPiece}

// buffer is a page-aligned piece of data from the pool. It has one owner at a
// time, who gives it back by release.
type buffer struct {
	b      []byte // whole
	class  int
	budget *budget // charged for it, or nil
	held   *atomic.Int64
}

var buffers [len(bufferSizes)]sync.Pool

// newBuffer returns a buffer of at least n bytes, n ≤ maxPiece, content
// undefined.
func newBuffer(n int) *buffer {
	class := 0
	for bufferSizes[class] < n {
		class++
	}
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, bufferSizes[class]), class: class}
}

func (b *buffer) release() {
	if b.budget != nil {
		b.held.Add(-int64(len(b.b)))
		b.budget.give(int64(len(b.b)))
		b.budget, b.held = nil, nil
	}
	buffers[b.class].Put(b)
}

// budget limits the write data held in memory by all sessions together.
type budget struct {
	mu   sync.Mutex
	free int64 // may go below 0: see take
	all  int64
	low  atomic.Bool // less than a quarter is free
}

func newBudget(n int64) *budget { return &budget{free: n, all: n} }

// take returns a buffer of n bytes, or nil when the budget is spent. A session
// that holds nothing may overdraw it by one buffer, so that no session waits
// for ever on what others hold.
func (g *budget) take(n int, held *atomic.Int64) *buffer { return g.grant(n, held, held.Load() == 0) }

// grant is take for who may overdraw the budget or may not.
func (g *budget) grant(n int, held *atomic.Int64, overdraw bool) *buffer {
	b := newBuffer(n)
	size := int64(len(b.b))
	g.mu.Lock()
	if g.free < size && !overdraw {
		g.mu.Unlock()
		b.release()
		return nil
	}
	g.free -= size
	g.low.Store(g.free < g.all/4)
	g.mu.Unlock()
	held.Add(size)
	b.budget, b.held = g, held
	return b
}

func (g *budget) give(size int64) {
	g.mu.Lock()
	g.free += size
	g.low.Store(g.free < g.all/4)
	g.mu.Unlock()
}
