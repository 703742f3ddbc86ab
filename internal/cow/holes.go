package cow

import (
	"math"
	"slices"
)

// holes are the ranges that were here and now are zero, and still occupy the
// disk. A range may be punched only once its zero is durable: else a power
// cut could bring back the old state with the data gone. Guarded by
// overlay.mu.
type holes struct {
	pending []hole
	durable uint64 // sets up to this sequence number are
	running bool   // a goroutine is punching
}

type hole struct {
	first, end int64
	seq        uint64
}

// holesMax bounds the list; beyond it ranges are joined over what lies
// between, which costs time and nothing else: punching looks again.
const holesMax = 1 << 14

// note adds what is here now in a range that set seq makes zero.
func (h *holes) note(m *presence, first, n int64, seq uint64) {
	for end := first + n; first < end; {
		s, run := m.run(first, end-first)
		if s == here {
			h.add(hole{first, first + run, seq})
		}
		first += run
	}
}

func (h *holes) add(x hole) {
	if k := len(h.pending); k > 0 {
		last := &h.pending[k-1]
		if last.end == x.first || k >= holesMax {
			last.first, last.end = min(last.first, x.first), max(last.end, x.end)
			last.seq = max(last.seq, x.seq)
			return
		}
	}
	h.pending = append(h.pending, x)
}

// take removes and returns the first range that is durably zero.
func (h *holes) take(volatile bool) (hole, bool) {
	limit := h.durable
	if volatile {
		limit = math.MaxUint64
	}
	i := slices.IndexFunc(h.pending, func(x hole) bool { return x.seq <= limit })
	if i < 0 {
		return hole{}, false
	}
	x := h.pending[i]
	h.pending = slices.Delete(h.pending, i, i+1)
	return x, true
}

// settled returns how many blocks from b on, at most limit, share the answer
// to: is no set pending that a power cut could still undo?
func (h *holes) settled(b, limit int64) (bool, int64) {
	end := b + limit
	for _, x := range h.pending {
		switch {
		case x.seq <= h.durable || x.end <= b:
		case x.first <= b:
			return false, min(x.end, b+limit) - b
		default:
			end = min(end, x.first)
		}
	}
	return true, end - b
}

// startPunching gives space back in the background, if there is any to give.
func (o *overlay) startPunching() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holes.running || len(o.holes.pending) == 0 || o.failure.get() != nil {
		return
	}
	o.holes.running = true
	o.punch.Go(o.punchAll)
}

func (o *overlay) punchAll() {
	for {
		o.mu.Lock()
		x, ok := o.holes.take(o.volatile)
		o.holes.running = ok
		o.mu.Unlock()
		if !ok {
			return
		}
		for first := x.first; first < x.end; first += sliceBlocks {
			if !o.punchSlice(first, min(first+sliceBlocks, x.end)) {
				break
			}
		}
	}
}

// sliceBlocks, 4 MiB, are punched in one go: writers to them wait.
const sliceBlocks = 1024

// punchSlice looks at the map again: a newer write may be there, or a newer
// and not yet durable zero.
func (o *overlay) punchSlice(first, end int64) bool {
	ticket := o.ranges.lock(first, end, false)
	defer o.ranges.unlock(ticket)
	for first < end {
		s, n := o.own.run(first, end-first)
		durable := s == zero
		if durable && !o.volatile {
			o.mu.Lock()
			durable, n = o.holes.settled(first, n)
			o.mu.Unlock()
		}
		if durable {
			if err := o.data.Punch(first<<blockShift, n<<blockShift); err != nil {
				// Nothing is wrong but the space; a full disk can cause it.
				o.e.log.Warn("cannot give space back", "volume", o.volume, "err", err)
				return false
			}
		}
		first += n
	}
	return true
}
