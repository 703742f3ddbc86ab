package iscsi

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// SlowIO is a command that took longer than Options.SlowIO, and where it waited.
// A WRITE that came in several pieces waits for each: their times are added up.
type SlowIO struct {
	Session SessionInfo
	At      time.Time // when it was answered
	Unit    string    // Unit.Name
	LUN     uint8
	Op      Op
	Offset  int64 // on the disk, bytes
	Length  int64 // bytes

	Total  time.Duration // from its arrival to its answer
	Queue  time.Duration // for a worker
	Lock   time.Duration // for ORDERED and HEAD OF QUEUE commands
	Limit  time.Duration // for the limits of its unit
	Disk   time.Duration // for the disk, its block locks included
	Socket time.Duration // for the initiator: to send data, and to take what it is sent
}

// Where is the longest wait, in one word.
func (o SlowIO) Where() string {
	where, most := "disk", o.Disk
	for _, w := range []struct {
		name string
		time time.Duration
	}{{"queue", o.Queue}, {"lock", o.Lock}, {"limit", o.Limit}, {"socket", o.Socket}} {
		if w.time > most {
			where, most = w.name, w.time
		}
	}
	return where
}

// trace is where the time of a task goes, in nanoseconds of Server.now. Queue
// and disk are added to by several workers at once, atomically.
type trace struct {
	op      Op
	arrived int64
	clock   int64 // when the clock was last read for it
	queue   int64
	lock    int64
	limit   int64
	disk    int64
}

// now is a clock that only ever goes on, cheaper to read than time.Now.
func (s *Server) now() int64 { return int64(time.Since(s.epoch)) }

// began counts a step's wait for a worker.
func (t *trace) began(queued, now int64) {
	atomic.AddInt64(&t.queue, now-queued)
	atomic.StoreInt64(&t.clock, now)
}

// ran counts a step's time at the disk.
func (t *trace) ran(begin, end int64) {
	atomic.AddInt64(&t.disk, end-begin)
	atomic.StoreInt64(&t.clock, end)
}

// measure counts a command that has been served and is about to be answered.
func (s *session) measure(t *task, now int64) {
	if t.op == opNone {
		return
	}
	took := now - t.arrived
	t.unit.io[t.op].add(took, t.total)
	if took >= s.srv.slowIO {
		s.slow(t, took)
	}
}

// slow records a slow command. What it did not wait for elsewhere it waited for
// at the connection.
func (s *session) slow(t *task, took int64) {
	o := SlowIO{
		Total: time.Duration(took), Queue: time.Duration(t.queue), Lock: time.Duration(t.lock),
		Limit: time.Duration(t.limit), Disk: time.Duration(t.disk),
	}
	o.Socket = max(o.Total-o.Queue-o.Lock-o.Limit-o.Disk, 0)
	s.record(t.unit, t.op, t.cmd.Offset(), t.total, o)
}

func (s *session) record(u *unit, op Op, offset, length int64, o SlowIO) {
	o.Session, o.At, o.Unit, o.LUN, o.Op, o.Offset, o.Length = s.describe(), time.Now(), u.Name, u.lun, op, offset, length
	u.slow.add(o)
	s.srv.o.Events.SlowIO(o)
}

// sent is the first answer of a batch, in case the initiator is slow to take it.
type sent struct {
	unit           *unit // nil: no answer of a measured command is in the batch
	op             Op
	offset, length int64
}

// stalled records that the initiator took its time to take a batch.
func (s *session) stalled(f sent, took time.Duration) {
	if f.unit != nil {
		s.record(f.unit, f.op, f.offset, f.length, SlowIO{Total: took, Socket: took})
	}
}

// slowKept is how many slow commands a unit remembers.
const slowKept = 16

// slowLog is the last slow commands of a unit, oldest first.
type slowLog struct {
	mu   sync.Mutex
	list []SlowIO
}

func (l *slowLog) add(o SlowIO) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == slowKept {
		l.list = append(l.list[:0], l.list[1:]...)
	}
	l.list = append(l.list, o)
}

func (l *slowLog) last() []SlowIO {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// UnitIO is what a logical unit has done since it was opened.
type UnitIO struct {
	LUN    uint8
	Name   string // Unit.Name
	Since  time.Time
	Ops    [opKinds]Latency // by Op
	Slow   []SlowIO         // the last ones, oldest first
	Limits Limits
}

// Plus is what two logical units of the same disk have done together.
func (u UnitIO) Plus(o UnitIO) UnitIO {
	if o.Since.Before(u.Since) {
		u.Since = o.Since
	}
	for op := range u.Ops {
		u.Ops[op].Add(o.Ops[op])
	}
	u.Slow = append(slices.Clone(u.Slow), o.Slow...)
	slices.SortFunc(u.Slow, func(a, b SlowIO) int { return a.At.Compare(b.At) })
	return u
}

// Latencies returns the logical units that are open now, in no order.
func (s *Server) Latencies() []UnitIO {
	var list []UnitIO
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		list = t.describe(list)
	}
	return list
}

// UnitsOf returns the logical units of target that are open now.
func (s *Server) UnitsOf(target string) []UnitIO {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.targets[target]; t != nil {
		return t.describe(nil)
	}
	return nil
}

// describe appends t's logical units to list. Server.mu is held.
func (t *target) describe(list []UnitIO) []UnitIO {
	h := t.inUse()
	if h == nil {
		return list
	}
	for lun := range h.units {
		if u := h.units[lun].Load(); u != nil {
			list = append(list, u.describe())
		}
	}
	return list
}

func (u *unit) describe() UnitIO {
	d := UnitIO{LUN: u.lun, Name: u.Name, Since: u.since, Slow: u.slow.last(), Limits: u.throttle.current()}
	u.addTo(&d.Ops)
	return d
}

func (u *unit) addTo(ops *[opKinds]Latency) {
	for op := range ops {
		ops[op].Add(u.io[op].snapshot())
	}
}

// Totals is what all logical units have done since the server was made, by Op.
func (s *Server) Totals() [opKinds]Latency {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.past
	for _, d := range s.disks {
		d.order.mu.Lock()
		for _, u := range d.order.units {
			u.addTo(&all)
		}
		d.order.mu.Unlock()
	}
	return all
}

// inUse returns what the sessions of t share, nil if there are none. Server.mu
// is held.
func (t *target) inUse() *holding {
	for sess := range t.sessions {
		return sess.hold
	}
	return nil
}

// attribute is a task attribute that is not SIMPLE, or 0.
func attribute(p *pdu.SCSICommand) byte {
	if p.Attr == pdu.AttrOrdered || p.Attr == pdu.AttrHeadOfQueue {
		return p.Attr
	}
	return 0
}
