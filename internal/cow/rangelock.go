package cow

import (
	"slices"
	"sync"
	"sync/atomic"
)

// rangeLock orders the operations on overlapping ranges of blocks.
//
// The contract: whoever changes a block's content in its data file, or its
// state in the map, or reads a block in order to write it back (a write below
// 4 KiB, a compare and write), holds the range that covers the block from
// before its first look at the map until after the change. Waiters get their
// turn in the order of arrival, and wait only for those before them, so
// nobody starves and nothing deadlocks as long as a holder asks for no second
// range. Lock order: range, then overlay.flushMu, then overlay.mu.
//
// Readers take no lock at first. They look at the stripes, counters that every
// exclusive holder moves: if no holder was there and none came in the
// meantime, what they read is whole. Otherwise they lock shared and read
// again.
type rangeLock struct {
	stripes [stripes]atomic.Uint64 // low 16 bits: holders now; above: how many there ever were

	mu      sync.Mutex
	turn    sync.Cond
	held    []hold // in order of arrival, waiting ones included
	next    uint64
	waiting int
}

type hold struct {
	ticket, first, end uint64
	shared             bool
}

const (
	stripes     = 64
	stripeShift = 4 // 16 blocks, 64 KiB, in a row share a stripe
	arrive      = 1<<16 + 1
	leave       = ^uint64(0)
	holdersMask = 1<<16 - 1
)

// lock waits for the blocks first to end-1 and returns the ticket for unlock.
func (l *rangeLock) lock(first, end int64, shared bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn.L == nil {
		l.turn.L = &l.mu
	}
	h := hold{l.next, uint64(first), uint64(end), shared}
	l.next++
	l.held = append(l.held, h)
	if !shared {
		l.mark(h, arrive)
	}
	for l.mustWait(h) {
		l.waiting++
		l.turn.Wait()
		l.waiting--
	}
	return h.ticket
}

func (l *rangeLock) mustWait(h hold) bool {
	for _, o := range l.held {
		if o.ticket == h.ticket {
			return false
		}
		if o.first < h.end && h.first < o.end && !(o.shared && h.shared) {
			return true
		}
	}
	return false
}

func (l *rangeLock) unlock(ticket uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.held, func(h hold) bool { return h.ticket == ticket })
	if !l.held[i].shared {
		l.mark(l.held[i], leave)
	}
	l.held = slices.Delete(l.held, i, i+1)
	if l.waiting > 0 {
		l.turn.Broadcast()
	}
}

func (l *rangeLock) mark(h hold, delta uint64) {
	first, last := h.first>>stripeShift, (h.end-1)>>stripeShift
	for s := first; s <= min(last, first+stripes-1); s++ {
		l.stripes[s%stripes].Add(delta)
	}
}

// glance is a reader's view of the stripes of its range.
type glance struct {
	first, n uint64
	seen     [8]uint64
}

// look reports false if somebody is changing the range, or if it is too long
// to watch.
func (l *rangeLock) look(g *glance, first, end int64) bool {
	g.first = uint64(first) >> stripeShift
	g.n = uint64(end-1)>>stripeShift - g.first + 1
	if g.n > uint64(len(g.seen)) {
		return false
	}
	for i := range g.n {
		w := l.stripes[(g.first+i)%stripes].Load()
		if w&holdersMask != 0 {
			return false
		}
		g.seen[i] = w
	}
	return true
}

// still reports whether nobody has come since look.
func (l *rangeLock) still(g *glance) bool {
	for i := range g.n {
		if l.stripes[(g.first+i)%stripes].Load() != g.seen[i] {
			// Somebody came; gone again or not.
			return false
		}
	}
	return true
}
