package crashfs

import "fmt"

// Log is what was done to a file system since Record.
type Log struct {
	start *machine
	fs    *FS
	ops   []*op
}

func (l *Log) add(o *op) {
	if l != nil {
		l.ops = append(l.ops, o)
	}
}

// Record starts a log of all that happens from now on.
func (fs *FS) Record() *Log {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.log = &Log{start: fs.m.clone(), fs: fs}
	return fs.log
}

// Len is the number of operations so far.
func (l *Log) Len() int { return len(l.sofar()) }

func (l *Log) sofar() []*op {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	return l.ops
}

// Crash is one way in which the machine or the process can go down.
type Crash struct {
	At    int  // how many operations were done
	Power bool // the machine lost power; else the process was killed
	how   string
	op    *op // which one it is about, if any
	fs    func() *FS
}

// FS builds what is found afterwards. It must be called before the Replay goes
// on.
func (c Crash) FS() *FS { return c.fs() }

func (c Crash) String() string {
	what := "kill"
	if c.Power {
		what = "power cut"
	}
	if c.op != nil {
		return fmt.Sprintf("%s after %d operations, %s %s", what, c.At, c.how, c.op)
	}
	return fmt.Sprintf("%s after %d operations, %s", what, c.At, c.how)
}

// Bounds of an enumeration.
type Bounds struct {
	// Random power cuts for each point.
	Random int
	Seed   uint64
	// Single drops and keeps are tried only for operations on files that
	// Dull does not name, or that are younger than Dullness operations.
	Dull func(name string) bool
}

const dullness = 4

// Crashes calls try for every crash of the log within the bounds, in order.
// A state of the disk that can be found at several points is tried at the last
// of them only, where most has been promised. It stops when try returns false.
func (l *Log) Crashes(b Bounds, try func(Crash) bool) {
	last := map[uint64]int{}
	ops := l.sofar()
	l.walk(ops, b, func(at int, key uint64, _ Crash) bool {
		last[key] = at
		return true
	})
	l.walk(ops, b, func(at int, key uint64, c Crash) bool {
		if at != last[key] {
			return true
		}
		delete(last, key)
		return try(c)
	})
}

// CrashesAtEnd calls try for every crash after the last operation so far.
func (l *Log) CrashesAtEnd(b Bounds, try func(Crash) bool) {
	l.fs.mu.Lock()
	m, at := l.fs.m.clone(), len(l.ops)
	l.fs.mu.Unlock()
	if !try(Crash{at, false, "at the end", nil, func() *FS { return newFS(m.clone(), b.Seed) }}) {
		return
	}
	seen := map[uint64]bool{}
	m.cuts(b, func(how string, about *op, c choice) bool {
		key := m.choiceKey(c)
		if seen[key] {
			return true
		}
		seen[key] = true
		return try(Crash{at, true, how, about, func() *FS { return newFS(m.cut(c), b.Seed) }})
	})
}

// walk visits every crash with the key of the state that it leaves.
func (l *Log) walk(ops []*op, b Bounds, visit func(at int, key uint64, c Crash) bool) {
	m := l.start.clone()
	killed := uint64(0)
	for at := 0; ; at++ {
		ok := visit(at, killed, Crash{at, false, "between two of them", nil, func() *FS { return newFS(m.clone(), b.Seed) }})
		if half := halfOf(ops, at); ok && half != nil {
			ok = visit(at, mix(killed^uint64(at)), Crash{at, false, "in the middle of", ops[at], func() *FS {
				h := m.clone()
				h.do(half)
				return newFS(h, b.Seed)
			}})
		}
		if !ok || !m.cuts(b, func(how string, about *op, c choice) bool {
			return visit(at, ^m.choiceKey(c), Crash{at, true, how, about, func() *FS { return newFS(m.cut(c), b.Seed) }})
		}) || at == len(ops) {
			return
		}
		o := *ops[at]
		m.do(&o)
		if o.content() || o.naming() || o.kind == opForget {
			killed = mix(killed ^ uint64(at)<<1)
		}
	}
}

// halfOf returns what a process that is killed in the middle of its next write
// may have done of it: some of the pages.
func halfOf(ops []*op, at int) *op {
	if at == len(ops) || ops[at].kind != opWrite {
		return nil
	}
	o := *ops[at]
	pages := (o.off+o.n-1)/pageSize - o.off/pageSize + 1
	if pages == 1 {
		return nil
	}
	o.n = (o.off/pageSize+(pages+1)/2)*pageSize - o.off
	o.data = o.data[:o.n]
	return &o
}

// cuts visits the power cuts that are to be tried now.
func (m *machine) cuts(b Bounds, visit func(how string, about *op, c choice) bool) bool {
	for _, c := range wholesale {
		if !visit(c.how, nil, c.choice) {
			return false
		}
	}
	for _, o := range m.pending {
		if b.Dull != nil && b.Dull(o.name) && m.clock-o.id > dullness {
			continue
		}
		for _, c := range m.singles(o) {
			if !visit(c.how, o, c.choice) {
				return false
			}
		}
	}
	for i := range b.Random {
		seed := mix(b.Seed ^ mix(uint64(m.clock)<<16+uint64(i)))
		if len(m.pending) > 0 && !visit("a random part kept", nil, newRandom(m, seed)) {
			return false
		}
	}
	return true
}

type named struct {
	how    string
	choice choice
}

var wholesale = []named{
	{"all kept", allOrNone{true, true}}, {"nothing kept", allOrNone{}},
	{"only names kept", allOrNone{true, false}}, {"only content kept", allOrNone{false, true}},
}

// singles returns the choices that are about one operation.
func (m *machine) singles(o *op) []named {
	if o.naming() {
		return []named{
			{"all kept but", dropName{m.needing(o)}}, {"only", keepName{m.needed(o)}},
			{"names up to", namesUpTo{o, false}}, {"content and names up to", namesUpTo{o, true}},
		}
	}
	return []named{
		{"all kept but", dropContent{o}}, {"only", keepContent{o, false}}, {"names and only", keepContent{o, true}},
	}
}

// Ops returns the operations from one to another in words, for messages.
func (l *Log) Ops(from, to int) (words []string) {
	ops := l.sofar()
	for _, o := range ops[max(from, 0):min(to, len(ops))] {
		words = append(words, o.String())
	}
	return words
}
