package boot

import (
	"sync"
	"time"
)

// Bounds on how often a refusal is recorded.
const (
	refusalPause = time.Minute
	maxRefusals  = 1024
)

// refusals remembers which failed logins were recorded lately, so that one
// initiator that never gives up does not fill every timeline.
type refusals struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// first reports whether what has not been recorded within refusalPause.
func (r *refusals) first(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if at, ok := r.last[what]; ok && now.Sub(at) < refusalPause {
		return false
	}
	if r.last == nil || len(r.last) >= maxRefusals {
		r.last = map[string]time.Time{}
	}
	r.last[what] = now
	return true
}
