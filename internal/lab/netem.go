package lab

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Netem is a Filter that does to a wire what tc-netem(8) does to a link. What
// happens to the n-th frame of a direction depends on Seed and n alone.
type Netem struct {
	Loss    float64       // part of the frames that never arrive, 0 to 1
	Reorder float64       // part that is not delayed, and so overtakes others
	Delay   time.Duration // of all others
	Seed    uint64

	ways [2]way
}

// way is one direction. Its lock is held while frames are passed on, which
// keeps them one at a time.
type way struct {
	mu    sync.Mutex
	rng   *rand.Rand
	queue []func() // delayed frames, oldest first
	count Count
}

// Count is what became of the frames of one direction.
type Count struct{ Frames, Lost, Overtook int }

// Frame loses, delays or passes.
func (e *Netem) Frame(dir Direction, frame []byte, next func([]byte)) {
	w := &e.ways[dir]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rng == nil {
		w.rng = rand.New(rand.NewPCG(e.Seed, uint64(dir)))
	}
	lost, first := w.rng.Float64() < e.Loss, w.rng.Float64() < e.Reorder
	w.count.Frames++
	switch {
	case lost:
		w.count.Lost++
	case first || e.Delay == 0:
		if len(w.queue) > 0 {
			w.count.Overtook++
		}
		next(frame)
	default:
		w.queue = append(w.queue, func() { next(frame) })
		time.AfterFunc(e.Delay, w.pass)
	}
}

// pass sends the oldest of the delayed frames, whose timer this need not be.
func (w *way) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	send := w.queue[0]
	w.queue = w.queue[1:]
	send()
}

// Count tells what became of the frames so far.
func (e *Netem) Count(dir Direction) Count {
	w := &e.ways[dir]
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
