package cow

import (
	"math/bits"
	"sync/atomic"
)

// Geometry of the presence map; part of the format, see docs/FORMAT.md.
const (
	BlockSize     = 4096
	blockShift    = 12
	pageBytes     = 4096
	pageBlocks    = pageBytes * 4 // two bits each: 64 MiB of disk
	pageShift     = 14
	blocksPerWord = 32
	evenBits      = 0x5555_5555_5555_5555
)

// state says where a block of one layer or overlay is to be read.
type state uint8

const (
	below state = 0 // ask the layer below; zero if there is none
	here  state = 1 // at the same offset of this data file
	zero  state = 2 // zeros, whatever lies below
)

func (s state) word() uint64 { return uint64(s) * evenBits }

// page is the map of pageBlocks blocks. It holds no pointer, so the collector
// does not look into it.
type page [pageBytes / 8]atomic.Uint64

// Shared pages for the uniform cases; never written. A nil page is all below.
var allHere, allZero = filled(here), filled(zero)

func filled(s state) *page {
	p := new(page)
	for i := range p {
		p[i].Store(s.word())
	}
	return p
}

func uniform(s state) *page {
	return [...]*page{nil, allHere, allZero}[s]
}

// presence is the map of one overlay. It is read without a lock; set is
// called by one goroutine at a time.
type presence struct {
	blocks int64
	pages  []atomic.Pointer[page]
}

func newPresence(blocks int64) presence {
	return presence{blocks, make([]atomic.Pointer[page], pagesFor(blocks))}
}

func pagesFor(blocks int64) int64 { return (blocks + pageBlocks - 1) >> pageShift }
func blocksFor(size int64) int64  { return (size + BlockSize - 1) >> blockShift }
func (m *presence) get(b int64) state {
	p := m.pages[b>>pageShift].Load()
	if p == nil {
		return below
	}
	return state(p[b>>5&511].Load() >> (b & 31 * 2) & 3)
}

// run returns the state of block b and how many blocks from it on, at most
// limit, share it.
func (m *presence) run(b, limit int64) (state, int64) {
	var first uint64
	if p := m.pages[b>>pageShift].Load(); p != nil {
		first = p[b>>5&511].Load() >> (b & 31 * 2)
	}
	s, inWord := state(first&3), blocksPerWord-b&31
	n := min(int64(bits.TrailingZeros64(first^s.word()))/2, inWord)
	if n < inWord || n >= limit {
		return s, min(n, limit)
	}
	end := b + limit
	for at := b + n; at < end; {
		p := m.pages[at>>pageShift].Load()
		if p == uniform(s) {
			at = (at>>pageShift + 1) << pageShift
			continue
		}
		var w uint64
		if p != nil {
			w = p[at>>5&511].Load()
		}
		if diff := (w ^ s.word()) >> (at & 31 * 2); diff != 0 {
			return s, min(at+int64(bits.TrailingZeros64(diff))/2, end) - b
		}
		at = (at | 31) + 1
	}
	return s, limit
}

// all reports whether every block of the range has the state s.
func (m *presence) all(s state, first, n int64) bool {
	got, run := m.run(first, n)
	return got == s && run == n
}

// set gives n blocks from first on the state s, and returns by how many the
// number of blocks that are here has grown.
func (m *presence) set(first, n int64, s state) (grown int64) {
	for end := first + n; first < end; {
		stop := min((first>>pageShift+1)<<pageShift, end)
		grown += m.setInPage(first, stop, s)
		first = stop
	}
	return grown
}

func (m *presence) setInPage(first, stop int64, s state) (grown int64) {
	at := &m.pages[first>>pageShift]
	if stop-first == pageBlocks {
		old := countHere(at.Load())
		at.Store(uniform(s))
		return pageBlocks*isHere(s) - old
	}
	p := at.Load()
	if p == uniform(s) {
		return 0
	}
	if p == nil || p == allHere || p == allZero {
		p = p.clone()
		at.Store(p)
	}
	for first < stop {
		end := min(first|31+1, stop)
		mask := wordMask(first, end)
		w := &p[first>>5&511]
		old := w.Load()
		w.Store(old&^mask | s.word()&mask)
		grown += int64(bits.OnesCount64(mask))/2*isHere(s) - int64(bits.OnesCount64(hereBits(old)&mask))
		first = end
	}
	return grown
}

// wordMask covers the bits of blocks first to end-1, which share a word.
func wordMask(first, end int64) uint64 {
	return ^uint64(0) >> (64 - 2*(end-first)) << (first & 31 * 2)
}

// hereBits has one bit set for each block of the word that is here.
func hereBits(w uint64) uint64 { return w &^ (w >> 1) & evenBits }

func isHere(s state) int64 {
	if s == here {
		return 1
	}
	return 0
}

func (p *page) clone() *page {
	c := new(page)
	if p != nil {
		for i := range c {
			c[i].Store(p[i].Load())
		}
	}
	return c
}

func countHere(p *page) (n int64) {
	switch p {
	case nil, allZero:
		return 0
	case allHere:
		return pageBlocks
	}
	for i := range p {
		n += int64(bits.OnesCount64(hereBits(p[i].Load())))
	}
	return n
}

// here counts the blocks that are here in a range.
func (m *presence) here(first, n int64) (count int64) {
	for end := first + n; first < end; {
		s, run := m.run(first, end-first)
		count += run * isHere(s)
		first += run
	}
	return count
}
