package crashfs

// choice decides what a power cut leaves of what is pending. For each sector
// it keeps the first few of the operations that touch it, which is what a
// page cache written back at any moment can leave; a naming operation it
// keeps only with all that it needs.
type choice interface {
	name(o *op) bool
	sector(o *op, sector int64) bool
}

// allOrNone keeps all changes of names or none, all content or none.
type allOrNone struct{ names, content bool }

func (c allOrNone) name(*op) bool          { return c.names }
func (c allOrNone) sector(*op, int64) bool { return c.content }

// dropName loses a naming operation and what needs it.
type dropName struct{ lost map[*op]bool }

func (c dropName) name(o *op) bool        { return !c.lost[o] }
func (c dropName) sector(*op, int64) bool { return true }

// keepName keeps a naming operation and what it needs.
type keepName struct{ kept map[*op]bool }

func (c keepName) name(o *op) bool        { return c.kept[o] }
func (c keepName) sector(*op, int64) bool { return false }

// namesUpTo keeps the names in the order of their change up to one, as a
// journalling file system does.
type namesUpTo struct {
	last    *op
	content bool
}

func (c namesUpTo) name(o *op) bool        { return o.id <= c.last.id }
func (c namesUpTo) sector(*op, int64) bool { return c.content }

// dropContent loses one operation and what came after in its sectors.
type dropContent struct{ lost *op }

func (c dropContent) name(*op) bool { return true }
func (c dropContent) sector(o *op, s int64) bool {
	return o.node != c.lost.node || o.id < c.lost.id || !c.lost.touches(s)
}

// keepContent keeps one operation and what came before in its sectors.
type keepContent struct {
	kept  *op
	names bool
}

func (c keepContent) name(*op) bool { return c.names }
func (c keepContent) sector(o *op, s int64) bool {
	return o.node == c.kept.node && o.id <= c.kept.id && c.kept.touches(s)
}

// random draws for each sector how much is kept, and for names either how many
// in order or which.
type random struct {
	seed  uint64
	names map[*op]bool
	from  int // ids of what is pending: from … to-1
	to    int
}

func newRandom(m *machine, seed uint64) random {
	c := random{seed: seed, to: m.clock}
	if len(m.pending) > 0 {
		c.from = m.pending[0].id
	}
	var want []*op
	until := c.draw(1, 1)
	for _, o := range m.pending {
		switch {
		case !o.naming():
		case mix(seed)&1 == 0 && o.id < until, mix(seed)&1 == 1 && mix(seed^uint64(o.id))&1 == 0:
			want = append(want, o)
		}
	}
	c.names = m.needed(want...)
	return c
}

// draw returns an id up to which all is kept: none, any or all.
func (c random) draw(a, b uint64) int {
	r := mix(c.seed ^ mix(a^mix(b)))
	switch r % 3 {
	case 0:
		return c.from
	case 1:
		return c.to
	}
	return c.from + int(r/3%uint64(c.to-c.from+1))
}

func (c random) name(o *op) bool { return c.names[o] }
func (c random) sector(o *op, s int64) bool {
	return o.id < c.draw(uint64(o.node), uint64(s))
}

// key tells apart what different choices leave: equal keys, equal disks.
func (m *machine) choiceKey(c choice) uint64 {
	key := m.key
	for _, o := range m.pending {
		if o.naming() {
			if c.name(o) {
				key ^= mix(uint64(o.id))
			}
			continue
		}
		key ^= contentKey(c, o)
	}
	return key
}

func contentKey(c choice, o *op) uint64 {
	first, last := o.sectors()
	kept, n, which := int64(0), int64(0), uint64(0)
	note := func(s int64) {
		n++
		if c.sector(o, s) {
			kept++
			which = mix(which ^ uint64(s))
		}
	}
	for s := first; s <= last; s++ {
		note(s)
	}
	if o.kind == opWrite {
		note(sizeSector)
	}
	switch kept {
	case 0:
		return 0
	case n:
		return mix(uint64(o.id))
	}
	return mix(uint64(o.id)<<32 ^ which)
}
