package cow

import (
	"math"
	"slices"
)

// Unmap makes the range zeros. Whole blocks are noted as zero; their space is
// given back after the next Flush, when that note is durable.
func (v *Volume) Unmap(off, length int64) error {
	if err := v.begin(off, length); err != nil {
		return err
	}
	defer v.end()
	if length == 0 {
		return nil
	}
	first, end := off>>blockShift, blocksFor(off+length)
	ticket := v.ranges.lock(first, end, false)
	defer v.ranges.unlock(ticket)

	stop := off + length
	if stop == v.size { // the last block counts as whole
		stop = end << blockShift
	}
	from, to := blocksFor(off), stop>>blockShift
	if from >= to { // no whole block
		return v.erasePart(off, min(stop, v.size))
	}
	if err := v.erasePart(off, from<<blockShift); err != nil {
		return err
	}
	if err := v.eraseBlocks(from, to-from); err != nil {
		return err
	}
	return v.erasePart(to<<blockShift, min(stop, v.size))
}

// erasePart zeroes a range within one block, or within two neighbours.
func (v *Volume) erasePart(off, end int64) error {
	for off < end {
		b := off >> blockShift
		n := min(end, (b+1)<<blockShift) - off
		if !v.isZeroAt(b, 1) {
			if err := v.write(zeros[:n], off, b, 1); err != nil {
				return err
			}
		}
		off += n
	}
	return nil
}

func (v *Volume) eraseBlocks(first, n int64) error {
	if v.own.here(first, n) == 0 && v.isZeroAt(first, n) {
		return nil
	}
	if err := v.record(first, n, zero); err != nil {
		return err
	}
	if v.meta.Volatile {
		v.startPunching()
	}
	return nil
}

// holes are the ranges that were here and now are zero, and still occupy the
// disk. A range may be punched only once its zero is durable: else a power
// cut could bring back the old state with the data gone. Guarded by
// Volume.mu.
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
func (v *Volume) startPunching() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.holes.running || len(v.holes.pending) == 0 || v.failed.Load() != nil {
		return
	}
	v.holes.running = true
	v.punch.Go(v.punchAll)
}

func (v *Volume) punchAll() {
	for {
		v.mu.Lock()
		x, ok := v.holes.take(v.meta.Volatile)
		v.holes.running = ok
		v.mu.Unlock()
		if !ok {
			return
		}
		for first := x.first; first < x.end; first += sliceBlocks {
			if !v.punchSlice(first, min(first+sliceBlocks, x.end)) {
				break
			}
		}
	}
}

// sliceBlocks, 4 MiB, are punched in one go: writers to them wait.
const sliceBlocks = 1024

// punchSlice looks at the map again: a newer write may be there, or a newer
// and not yet durable zero.
func (v *Volume) punchSlice(first, end int64) bool {
	ticket := v.ranges.lock(first, end, false)
	defer v.ranges.unlock(ticket)
	for first < end {
		s, n := v.own.run(first, end-first)
		durable := s == zero
		if durable && !v.meta.Volatile {
			v.mu.Lock()
			durable, n = v.holes.settled(first, n)
			v.mu.Unlock()
		}
		if durable {
			if err := v.data.Punch(first<<blockShift, n<<blockShift); err != nil {
				// Nothing is wrong but the space; a full disk can cause it.
				v.e.log.Warn("cannot give space back", "volume", v.meta.ID, "err", err)
				return false
			}
		}
		first += n
	}
	return true
}
