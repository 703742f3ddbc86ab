package boot

import (
	"sync"
	"time"
)

// Bounds on what anybody can make up: a room of machines at once, and then as
// many as people unpack and switch on.
var (
	enrolling = rate{500, 500}
	newcomers = rate{1000, 3600} // strangers whose timeline begins
)

// rate is how many at once, and then how many an hour.
type rate struct{ atOnce, perHour float64 }

// bucket counts what is left of a rate.
type bucket struct {
	mu   sync.Mutex
	used float64
	at   time.Time
}

// take reports whether there may be one more now.
func (b *bucket) take(r rate, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-now.Sub(b.at).Hours()*r.perHour)
	b.at = now
	if b.used+1 > r.atOnce {
		return false
	}
	b.used++
	return true
}

// giveBack returns what was taken for nothing.
func (b *bucket) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-1)
}
