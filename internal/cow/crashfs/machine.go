package crashfs

import (
	"maps"
	"slices"
)

// machine is a file system as the running system sees it, and what a power cut
// would leave of it: what is safe, and perhaps some of what is pending.
type machine struct {
	now, safe *disk
	pending   []*op // changes that no sync covers, in order
	// lost: sectors that a failed sync has marked clean. They are to be seen,
	// and no later sync saves them.
	lost  map[place]bool
	next  int    // number of the next file or folder
	clock int    // id of the next operation
	key   uint64 // of what is safe: see choice.key
}

type place struct {
	node   int
	sector int64
}

func newMachine() *machine {
	return &machine{now: newDisk(), safe: newDisk(), lost: map[place]bool{}, next: 1}
}

func (m *machine) clone() *machine {
	c := *m
	c.now, c.safe = m.now.clone(), m.safe.clone()
	c.pending, c.lost = slices.Clone(m.pending), maps.Clone(m.lost)
	return &c
}

func all(int64) bool { return true }

// do takes the next operation.
func (m *machine) do(o *op) {
	o.id = m.clock
	m.clock++
	switch {
	case o.naming():
		m.next = max(m.next, o.node+1)
		m.now.apply(o, all)
		m.pending = append(m.pending, o)
	case o.content():
		m.now.apply(o, all)
		m.pending = append(m.pending, m.widen(o))
	case o.kind == opSync:
		m.save(o)
	case o.kind == opSyncFail:
		m.lose(o)
	case o.kind == opSyncDir:
		m.saveNames(o)
	case o.kind == opForget:
		m.forget(o.node)
	}
}

// widen returns a write that takes whole sectors where it touches some that
// were lost: they are written back as a whole.
func (m *machine) widen(o *op) *op {
	if len(m.lost) == 0 || o.kind == opTruncate {
		return o
	}
	hit := false
	first, last := o.sectors()
	for s := first; s <= last; s++ {
		hit = hit || m.lost[place{o.node, s}]
		delete(m.lost, place{o.node, s})
	}
	if !hit || o.kind != opWrite {
		return o
	}
	w, n := *o, m.now.nodes[o.node]
	w.off = first * sectorSize
	w.n = min((last+1)*sectorSize, n.size) - w.off
	w.data = make([]byte, w.n)
	n.read(w.data, w.off)
	return &w
}

// save makes durable what was done to a file before its sync began.
func (m *machine) save(o *op) {
	m.pending = slices.DeleteFunc(m.pending, func(p *op) bool {
		covered := p.content() && p.node == o.node && p.id < o.since
		if covered {
			m.safe.apply(p, all)
			m.key ^= mix(uint64(p.id))
		}
		return covered
	})
}

// lose does what Linux does when a sync fails: some of it is saved, and all is
// marked clean.
func (m *machine) lose(o *op) {
	saved := func(s int64) bool { return mix(o.seed^mix(uint64(s)))&1 == 0 }
	m.key ^= mix(o.seed)
	m.pending = slices.DeleteFunc(m.pending, func(p *op) bool {
		if !p.content() || p.node != o.node || p.id >= o.since {
			return false
		}
		m.safe.apply(p, saved)
		first, last := p.sectors()
		for s := max(first, 0); s <= last; s++ {
			if !saved(s) {
				m.lost[place{p.node, s}] = true
			}
		}
		return true
	})
}

func (m *machine) forget(file int) {
	for p := range m.lost {
		if p.node == file {
			m.now.copySector(m.safe, file, p.sector)
			delete(m.lost, p)
		}
	}
}

// saveNames makes durable what has changed in a folder, and what that needs.
func (m *machine) saveNames(o *op) {
	var want []*op
	for _, p := range m.pending {
		if p.naming() && p.in(o.node) {
			want = append(want, p)
		}
	}
	due := m.needed(want...)
	m.pending = slices.DeleteFunc(m.pending, func(p *op) bool {
		if due[p] {
			m.safe.apply(p, all)
			m.key ^= mix(uint64(p.id))
		}
		return due[p]
	})
}

// needed returns the given naming operations and the pending ones before them
// that they need.
func (m *machine) needed(want ...*op) map[*op]bool {
	set := map[*op]bool{}
	for _, o := range want {
		set[o] = true
	}
	for i := len(m.pending) - 1; i >= 0; i-- {
		o := m.pending[i]
		if !set[o] {
			continue
		}
		for _, a := range m.pending[:i] {
			if a.naming() && o.needs(a) {
				set[a] = true
			}
		}
	}
	return set
}

// needing returns a naming operation and the pending ones after it that need
// it.
func (m *machine) needing(o *op) map[*op]bool {
	set := map[*op]bool{o: true}
	for i, b := range m.pending {
		for _, a := range m.pending[:i] {
			if b.naming() && set[a] && b.needs(a) {
				set[b] = true
			}
		}
	}
	return set
}

// cut returns what a power cut leaves.
func (m *machine) cut(c choice) *machine {
	d := m.safe.clone()
	for _, o := range m.pending {
		if o.naming() {
			if c.name(o) {
				d.apply(o, all)
			}
			continue
		}
		d.apply(o, func(s int64) bool { return c.sector(o, s) })
	}
	d.sweep()
	return &machine{now: d, safe: d.clone(), lost: map[place]bool{}, next: m.next, clock: m.clock}
}

// mix is SplitMix64: it makes a number look random.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
