package iscsi

import (
	"slices"
	"sync"
	"sync/atomic"

	"bootes.dev/internal/iscsi/pdu"
)

// order keeps the task attributes (SAM-5, 8.6) of one disk. It has one task set
// for all I_T nexuses (TST 000b in the control mode page), of whatever target:
//
//	SIMPLE         waits for ORDERED and HEAD OF QUEUE commands that are older
//	ORDERED        waits for all commands that are older
//	HEAD OF QUEUE  waits for none
//
// As nearly everybody sends nothing but SIMPLE, that costs a look at barriers
// and no more. Commands that are answered from memory are not ordered.
type order struct {
	barriers atomic.Int32 // ORDERED and HEAD OF QUEUE commands that have not ended

	mu      sync.Mutex // after session.mu
	units   []*unit    // of this disk
	running int        // barriers that have begun
	dormant []sleeper  // those that wait, in order of arrival
}

// sleeper is a dormant task. Tasks are used again: one that has arrived at
// another time is another.
type sleeper struct {
	s       *session
	t       *task
	arrived int64
}

// arrive tells whether t has to wait; then wake is called for it. mu of its
// session is held.
func (o *order) arrive(t *task) (dormant bool) {
	if t.attr == 0 && o.barriers.Load() == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case t.attr == pdu.AttrHeadOfQueue:
		o.barriers.Add(1)
		o.running++
		return false
	case t.attr == pdu.AttrOrdered:
		o.barriers.Add(1)
	case o.barriers.Load() == 0:
		return false
	}
	t.slept = true
	o.dormant = append(o.dormant, sleeper{t.s, t, t.arrived})
	return true
}

// leave forgets a task that was dormant, or ends one that has begun. It tells
// whether others are dormant.
func (o *order) leave(t *task) (others bool) {
	if t.attr == 0 && !t.slept {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.IndexFunc(o.dormant, func(d sleeper) bool { return d.t == t }); i >= 0 {
		o.dormant = slices.Delete(o.dormant, i, i+1)
	} else if t.attr != 0 {
		o.running--
	}
	if t.attr != 0 {
		o.barriers.Add(-1)
	}
	return len(o.dormant) > 0
}

// wake begins the commands that have no more to wait for in the task set.
func (o *order) wake() {
	for _, d := range o.wakeable() {
		d.wake()
	}
}

// wakeable takes out those who need not wait any more. All tasks are older than
// the first of the dormant but they themselves.
func (o *order) wakeable() (wake []sleeper) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.dormant) > 0 && o.running == 0 {
		if o.dormant[0].t.attr == pdu.AttrOrdered {
			if o.tasks() > len(o.dormant) {
				break
			}
			o.running++
		}
		wake = append(wake, o.dormant[0])
		o.dormant = o.dormant[1:]
	}
	return wake
}

// wake begins a task that was dormant.
func (d sleeper) wake() {
	s, t := d.s, d.t
	now := s.srv.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.dormant || t.arrived != d.arrived { // it has been aborted meanwhile
		return
	}
	t.dormant = false
	t.lock += now - t.arrived
	for _, j := range t.parked {
		j.at = now
		s.limit(j)
	}
	t.parked = nil
	if t.write.deferred && !t.aborted {
		t.write.deferred = false
		t.write.waits = true
		s.waiting = append(s.waiting, t)
		s.aside(s.askForData)
	}
}

// aside does what may wait for the initiator of s, for somebody who serves
// another. A session that ends does it no more. mu is held.
func (s *session) aside(f func()) {
	if !s.ended {
		s.wg.Go(f)
	}
}

// unpark drops what t, which has been aborted, was to begin with. mu is held.
func (t *task) unpark() {
	for _, j := range t.parked {
		j.drop()
		t.running--
	}
	t.parked, t.dormant, t.write.deferred = nil, false, false
}
