package iscsi

import (
	"sync/atomic"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// ending is something that waits for tasks to end, and calls then when they
// have: they touch the disk no more.
type ending struct {
	left atomic.Int32 // tasks, and 1 while they are being looked for
	then func()
}

func newEnding(then func()) *ending {
	e := &ending{then: then}
	e.left.Store(1)
	return e
}

func (e *ending) done() {
	if e.last() {
		e.then()
	}
}

func (e *ending) last() bool { return e.left.Add(-1) == 0 }

// taskManagement is a task management request, whose response promises that
// the tasks meant have ended.
type taskManagement struct {
	s       *session
	itt     uint32
	counted bool
	cold    bool // resets the target
	tasks   *ending
	answer  byte
}

// manageTasks serves a Task Management Function Request. It runs on the reader.
func (s *session) manageTasks() error {
	var p pdu.TaskRequest
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	if err := s.in.end(); err != nil {
		return err
	}
	m := &taskManagement{s: s, itt: p.ITT, counted: !p.Immediate}
	m.cold = p.Function == pdu.TaskTargetColdReset && !s.discovery
	m.tasks = newEnding(func() { // by whoever ended the last task, of any session
		m.reset()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.aside(m.respond)
	})
	m.answer = s.manage(m.tasks, &p)
	if m.tasks.last() {
		m.reset()
		m.respond()
	}
	return nil
}

const targetReset = "the target was reset"

// reset ends the other sessions of the target, if that was asked for.
func (m *taskManagement) reset() {
	if m.cold {
		m.s.everySession(func(other *session) {
			if other != m.s {
				other.end(targetReset)
			}
		})
	}
}

// manage ends the tasks meant and returns why it could not.
func (s *session) manage(e *ending, p *pdu.TaskRequest) byte {
	if s.discovery {
		return pdu.TaskRejected
	}
	unit := scsi.Absent
	lun, ok := pdu.LUN(p.LUN)
	if ok {
		unit = s.hold.device.Unit(lun)
	}
	switch p.Function {
	case pdu.TaskAbortTask:
		if !s.abortTask(e, p.RefITT) && !s.forgo(p.RefCmdSN, p.CmdSN) {
			return pdu.TaskNoSuchTask
		}
		return pdu.TaskComplete
	case pdu.TaskTargetWarmReset, pdu.TaskTargetColdReset:
		s.everySession(func(other *session) { other.abortAll(e, -1) })
		s.abortElsewhere(e, false)
		s.hold.device.Reset(scsi.BusReset)
		return pdu.TaskComplete
	case pdu.TaskReassign:
		return pdu.TaskNoReassignment
	case pdu.TaskAbortTaskSet, pdu.TaskClearTaskSet, pdu.TaskLUNReset:
		if unit == scsi.Absent {
			return pdu.TaskNoSuchLUN
		}
		s.clearUnit(e, p.Function, uint8(lun))
		if p.Function == pdu.TaskLUNReset {
			s.hold.device.Reset(scsi.UnitReset, unit)
		}
		return pdu.TaskComplete
	}
	return pdu.TaskNotSupported
}

// clearUnit ends all tasks on one logical unit.
func (s *session) clearUnit(e *ending, function byte, lun uint8) {
	if function == pdu.TaskAbortTaskSet {
		s.abortAll(e, int(lun))
		return
	}
	s.everySession(func(other *session) {
		ended := other.abortAll(e, int(lun))
		if function == pdu.TaskClearTaskSet && other != s && ended {
			other.nexus.Notify(lun, scsi.CommandsCleared)
		}
	})
	if unit := s.hold.device.Unit(uint16(lun)); unit != scsi.Absent {
		s.abortElsewhere(e, function == pdu.TaskClearTaskSet, unit)
	}
}

// abortElsewhere ends the commands that reach units, or all with none, through
// other targets. cleared: those who had any are told.
func (s *session) abortElsewhere(e *ending, cleared bool, units ...*scsi.Disk) {
	s.hold.device.Elsewhere(func(n *scsi.Nexus, lun uint8) {
		e.left.Add(1)
		if n.Abort(lun, e.done) && cleared {
			n.Notify(lun, scsi.CommandsCleared)
		}
	}, units...)
}

// everySession calls f for the sessions of the target.
func (s *session) everySession(f func(*session)) {
	s.srv.mu.Lock()
	var all []*session
	for other := range s.target.sessions {
		all = append(all, other)
	}
	s.srv.mu.Unlock()
	for _, other := range all {
		f(other)
	}
}

func (s *session) abortTask(e *ending, itt uint32) bool {
	s.mu.Lock()
	t := s.tasks[itt]
	if t == nil {
		s.mu.Unlock()
		return false
	}
	late := t.ending
	idle := s.abort(e, t)
	s.mu.Unlock()
	if idle {
		s.taskDone(t, true)
	}
	return !late
}

// abortAll ends the tasks on lun, or all with -1, and tells if there were any.
func (s *session) abortAll(e *ending, lun int) bool {
	return s.abortWhich(e, func(t *task) bool { return lun < 0 || t.lun == lun })
}

func (s *session) abortWhich(e *ending, which func(*task) bool) bool {
	var idle []*task
	s.mu.Lock()
	found := false
	for _, t := range s.tasks {
		if !which(t) {
			continue
		}
		found = true
		if s.abort(e, t) {
			idle = append(idle, t)
		}
	}
	s.mu.Unlock()
	for _, t := range idle {
		s.taskDone(t, true)
	}
	return found
}

// abortFor ends the tasks on lun because of what another initiator has done to
// the unit, and calls then when they have ended.
func (s *session) abortFor(lun uint8, then func()) bool {
	e := newEnding(then)
	found := s.abortWhich(e, func(t *task) bool { return t.lun == int(lun) && !t.cmd.ChangesReservations() })
	e.done()
	return found
}

// endPreempted ends the commands of those whom t has preempted, and with the
// last of them t.
func (s *session) endPreempted(t *task) {
	t.unit.Disk.EndPreempted(&t.cmd, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.aside(func() { s.stepDone(t, scsi.Sense{}, false) })
	})
}

// abort marks t, and takes it out at once (true) if nothing of it is running.
// mu is held.
func (s *session) abort(e *ending, t *task) (idle bool) {
	e.left.Add(1)
	t.waiters = append(t.waiters, e)
	if t.ending { // too late, but its response is to go first
		return false
	}
	t.aborted = true
	s.stopWaiting(t)
	t.unpark()
	s.unlimit(t.unit, false)
	if t.running > 0 {
		return false
	}
	delete(s.tasks, t.itt)
	return true
}

// respond answers, and may wait for the initiator. After a reset its own session
// ends, too.
func (m *taskManagement) respond() {
	m.send()
	if m.cold {
		m.s.out.settle()
		m.s.end(targetReset)
	}
}

func (m *taskManagement) send() {
	o := &m.s.out
	if !o.begin() {
		return
	}
	if m.counted {
		o.credit()
	}
	p := pdu.TaskResponse{Response: m.answer, ITT: m.itt, Sequence: o.sequence(true)}
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(nil, nil)
	o.commit(true)
}
