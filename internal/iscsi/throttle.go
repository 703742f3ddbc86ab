package iscsi

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are the most that may be read and written on a logical unit, by all
// its sessions together; 0 is no limit.
type Limits struct {
	IOPS           int64
	BytesPerSecond int64
}

// throttleBurst is how far a unit that was idle may run ahead of its limits.
const throttleBurst = int64(50 * time.Millisecond)

// throttle holds the I/O of one disk to its limits. The sessions that wait for
// it take turns, so that one with many commands does not keep out one with
// few.
type throttle struct {
	on    atomic.Bool // limits are set; else nobody looks further
	clock func() int64

	mu     sync.Mutex // after session.mu
	limits Limits
	nextIO int64 // when the next I/O may begin, and the next byte be moved
	next   int64
	turns  []*turn // of sessions that wait; the first one's turn is next
	timer  *time.Timer
}

// turn is what one session has waiting.
type turn struct {
	s    *session
	jobs jobQueue
}

// admit tells whether j may run now. Else it runs when its turn has come. The
// session's mu is held.
func (h *throttle) admit(s *session, j job, now int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.on.Load() || len(h.turns) == 0 && h.free(now) {
		h.charge(j, now)
		return true
	}
	s.limited++
	for _, t := range h.turns {
		if t.s == s {
			t.jobs.push(j)
			return false
		}
	}
	t := &turn{s: s}
	t.jobs.push(j)
	h.turns = append(h.turns, t)
	h.wait(now)
	return false
}

func (h *throttle) free(now int64) bool { return h.nextIO <= now && h.next <= now }

// charge counts j. mu is held.
func (h *throttle) charge(j job, now int64) {
	const second = int64(time.Second)
	if h.limits.IOPS > 0 {
		h.nextIO = max(h.nextIO, now-throttleBurst) + second/h.limits.IOPS
	}
	if h.limits.BytesPerSecond > 0 {
		cost := float64(j.bytes()) * float64(second) / float64(h.limits.BytesPerSecond)
		h.next = max(h.next, now-throttleBurst) + int64(cost)
	}
}

// wait sets the timer for the next turn. mu is held.
func (h *throttle) wait(now int64) {
	d := time.Duration(max(h.nextIO, h.next) - now)
	if h.timer == nil {
		h.timer = time.AfterFunc(d, h.run)
		return
	}
	h.timer.Reset(d)
}

// limitedJob is a job whose turn has come.
type limitedJob struct {
	s *session
	job
}

// run is called by the timer.
func (h *throttle) run() {
	var due []limitedJob
	now := h.clock()
	h.mu.Lock()
	for len(h.turns) > 0 && (h.free(now) || !h.on.Load()) {
		t := h.turns[0]
		j := t.jobs.pop()
		h.charge(j, now)
		due = append(due, limitedJob{t.s, j})
		h.turns = h.turns[1:]
		if t.jobs.size > 0 {
			h.turns = append(h.turns, t)
		}
	}
	if len(h.turns) > 0 {
		h.wait(now)
	}
	h.mu.Unlock()
	for _, j := range due {
		j.s.resume(j.job, now)
	}
}

// drop takes out the jobs of s: all, or those whose tasks are dead. mu of s is
// held.
func (h *throttle) drop(s *session, all bool) (dropped []job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, t := range h.turns {
		if t.s != s {
			continue
		}
		for range t.jobs.size {
			if j := t.jobs.pop(); all || j.t.dead() {
				dropped = append(dropped, j)
			} else {
				t.jobs.push(j)
			}
		}
		if t.jobs.size == 0 {
			h.turns = append(h.turns[:i:i], h.turns[i+1:]...)
		}
		break
	}
	s.limited -= len(dropped)
	return dropped
}

// set changes the limits, also for what is waiting.
func (h *throttle) set(l Limits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limits, h.nextIO, h.next = l, 0, 0
	h.on.Store(l != Limits{})
	if len(h.turns) > 0 {
		h.wait(h.clock())
	}
}

// current returns the limits.
func (h *throttle) current() Limits {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limits
}

// resume queues a job that has waited for its limits.
func (s *session) resume(j job, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited--
	j.t.limit += now - j.at
	j.at = now
	s.dispatch(j)
}

// unlimit lets the jobs go that wait for the limits of u: of tasks that are
// dead, or all. mu is held.
func (s *session) unlimit(u *unit, all bool) {
	if s.limited == 0 {
		return
	}
	for _, j := range u.throttle.drop(s, all) {
		s.dispatch(j)
	}
}

// SetLimits changes the limits of a logical unit that is open, at once. They
// are the disk's: in all targets of which it is a unit. The error wraps
// ErrNoUnit.
func (s *Server) SetLimits(name string, lun uint8, l Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.targets[name]; t != nil {
		if h := t.inUse(); h != nil {
			if u := h.units[lun].Load(); u != nil {
				u.throttle.set(l)
				return nil
			}
		}
	}
	return fmt.Errorf("limit logical unit %d of target %q: %w", lun, name, ErrNoUnit)
}
