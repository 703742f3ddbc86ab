package boot

import (
	"sync"
	"time"
)

// Bounds on how fast unknown machines are enrolled: a room of them at once, and
// then as many as people unpack. Anybody can make up more.
const (
	newcomersAtOnce  = 500
	newcomersPerHour = 500
)

// newcomers counts what may still be enrolled.
type newcomers struct {
	mu   sync.Mutex
	used float64
	at   time.Time
}

// take reports whether one more may be enrolled now.
func (n *newcomers) take(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used = max(0, n.used-now.Sub(n.at).Hours()*newcomersPerHour)
	n.at = now
	if n.used+1 > newcomersAtOnce {
		return false
	}
	n.used++
	return true
}
