package dhcp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	rushTick = time.Second
	rushSize = 100 // ACKs within a tick: whole rooms are switched on
	rushOver = 10  // ticks with fewer
)

// rush is a time of many ACKs; a flood of made-up DISCOVERs is none. Its beginning and its end are told, and that it
// lasts, every second.
type rush struct {
	tell func(on bool)

	count atomic.Int64 // ACKs within this tick
	mu    sync.Mutex
	on    bool
	calm  int // ticks
}

// acked notes an ACK.
func (r *rush) acked() {
	if r.count.Add(1) != rushSize {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = 0
	r.change(true)
}

func (r *rush) tick() {
	n := r.count.Swap(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < rushSize {
		if r.calm++; r.calm == rushOver {
			r.change(false)
		}
	}
	if r.on {
		r.tell(true)
	}
}

func (r *rush) change(on bool) {
	if r.on != on {
		r.on = on
		r.tell(on)
	}
}

// watch ends the rush when it is over, until ctx ends.
func (r *rush) watch(ctx context.Context) {
	tick := time.NewTicker(rushTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.tick()
		}
	}
}
