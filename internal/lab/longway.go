package lab

import (
	"sync"
	"time"
)

// LongWay is a Filter that has each frame arrive later by so much, in order: a
// satellite, at 200 ms each way.
type LongWay struct {
	Delay time.Duration

	mu      sync.Mutex
	waiting [2][]func() // by direction, the oldest first
}

// Frame passes later.
func (w *LongWay) Frame(dir Direction, frame []byte, next func([]byte)) {
	w.later(w.Delay, dir, frame, next)
}

// later passes after a delay, which must not end before that of the frame before.
func (w *LongWay) later(delay time.Duration, dir Direction, frame []byte, next func([]byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[dir] = append(w.waiting[dir], func() { next(frame) })
	time.AfterFunc(delay, func() { w.arrive(dir) })
}

// arrive passes the oldest. The lock keeps timers that fire together in order.
func (w *LongWay) arrive(dir Direction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.waiting[dir][0]
	w.waiting[dir] = w.waiting[dir][1:]
	first()
}
