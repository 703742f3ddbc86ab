package boot

import (
	"sync"
	"time"
)

// seldom keeps what may happen often from being told of often.
type seldom struct {
	mu   sync.Mutex
	last time.Time
}

// again reports whether it may be told of now.
func (s *seldom) again(now time.Time, pause time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.Sub(s.last) < pause {
		return false
	}
	s.last = now
	return true
}
