package lab

import (
	"sync"
	"time"
)

// NarrowLink is a Filter that passes so many bytes a second each way, and drops what
// would wait longer than Queue.
type NarrowLink struct {
	BytesPerSecond int
	Queue          time.Duration

	way  LongWay
	mu   sync.Mutex
	free [2]time.Time // when what is on its way is through, by direction
}

// Frame passes when those before it are through, or loses.
func (l *NarrowLink) Frame(dir Direction, frame []byte, next func([]byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	begins := l.free[dir]
	if begins.Before(now) {
		begins = now
	}
	if begins.Sub(now) > l.Queue {
		return
	}
	l.free[dir] = begins.Add(time.Duration(len(frame)) * time.Second / time.Duration(l.BytesPerSecond))
	l.way.later(l.free[dir].Sub(now), dir, frame, next)
}
