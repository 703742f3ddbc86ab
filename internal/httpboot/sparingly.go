package httpboot

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	sparingTime = time.Minute
	maxAskers   = 1024 // that are remembered
)

// sparingly says how loudly to tell of what a client may do thousands of times:
// as a warning once a minute for each of them.
type sparingly struct {
	mu     sync.Mutex
	warned map[netip.Addr]time.Time
}

func (s *sparingly) level(asker netip.Addr, now time.Time) slog.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.warned[asker]
	if ok && now.Sub(last) < sparingTime || !ok && !s.room(now) {
		return slog.LevelDebug
	}
	if s.warned == nil {
		s.warned = map[netip.Addr]time.Time{}
	}
	s.warned[asker] = now
	return slog.LevelWarn
}

// room reports whether one more asker may be remembered. Those of more than a
// minute ago make room.
func (s *sparingly) room(now time.Time) bool {
	if len(s.warned) < maxAskers {
		return true
	}
	for a, last := range s.warned {
		if now.Sub(last) >= sparingTime {
			delete(s.warned, a)
		}
	}
	return len(s.warned) < maxAskers
}
