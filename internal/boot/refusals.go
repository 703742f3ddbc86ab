package boot

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds on how often refusals are recorded.
const (
	refusalPause = time.Minute
	maxRefusals  = 1024 // kinds that are remembered
	// maxKinds is how many kinds of refusal one address has to itself: names and
	// so reasons are whatever the initiator likes.
	maxKinds = 16
)

// refusal is a kind of failed login: those of one kind are recorded at once, and
// then once a minute, counted.
type refusal struct{ initiator, target, reason string }

// refusals remembers which failed logins were recorded lately, so that one
// initiator that never gives up does not fill every timeline.
type refusals struct {
	mu    sync.Mutex
	kinds map[refusal]*repeated
	from  map[netip.Addr]int // kinds, by address
}

// repeated is a refusal since it was last recorded.
type repeated struct {
	more  int
	from  netip.Addr
	timer *time.Timer
}

// first reports whether what has not been refused lately. What repeats it is
// counted: sum is called, once a minute, with the number of more such refusals,
// until there are none.
func (r *refusals) first(what refusal, from netip.Addr, sum func(more int)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds[what] == nil && r.from[from] >= maxKinds {
		what = refusal{} // any other of this address, as one
		what.initiator = from.String()
	}
	if k := r.kinds[what]; k != nil {
		k.more++
		return false
	}
	if len(r.kinds) >= maxRefusals {
		return false
	}
	if r.kinds == nil {
		r.kinds, r.from = map[refusal]*repeated{}, map[netip.Addr]int{}
	}
	k := &repeated{from: from}
	r.kinds[what] = k
	r.from[from]++
	k.timer = time.AfterFunc(refusalPause, func() {
		if more := r.due(what); more > 0 {
			sum(more)
		}
	})
	return true
}

// due returns how often what was refused since it was last recorded, and forgets
// it if it was not.
func (r *refusals) due(what refusal) (more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[what]
	if k == nil {
		return 0 // closed
	}
	if k.more > 0 {
		more, k.more = k.more, 0
		k.timer.Reset(refusalPause)
		return more
	}
	delete(r.kinds, what)
	if r.from[k.from]--; r.from[k.from] == 0 {
		delete(r.from, k.from)
	}
	return 0
}

// close stops counting.
func (r *refusals) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kinds {
		k.timer.Stop()
	}
	r.kinds, r.from = nil, nil
}
