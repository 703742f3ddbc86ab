package iscsi

import (
	"sync/atomic"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// taskManagement is a task management request that waits for the tasks it
// ended: its response promises that they touch the disk no more.
type taskManagement struct {
	s       *session
	itt     uint32
	counted bool
	left    atomic.Int32 // tasks, and 1 while they are being looked for
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
	m.left.Store(1)
	m.answer = s.manage(m, &p)
	m.done()
	return nil
}

// manage ends the tasks meant and returns why it could not.
func (s *session) manage(m *taskManagement, p *pdu.TaskRequest) byte {
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
		if !s.abortTask(m, p.RefITT) {
			return pdu.TaskNoSuchTask
		}
		return pdu.TaskComplete
	case pdu.TaskTargetWarmReset:
		s.everySession(func(other *session) { other.abortAll(m, -1) })
		s.hold.device.Reset(scsi.BusReset)
		return pdu.TaskComplete
	case pdu.TaskReassign:
		return pdu.TaskNoReassignment
	case pdu.TaskAbortTaskSet, pdu.TaskClearTaskSet, pdu.TaskLUNReset:
		if unit == scsi.Absent {
			return pdu.TaskNoSuchLUN
		}
		s.clearUnit(m, p.Function, uint8(lun))
		if p.Function == pdu.TaskLUNReset {
			s.hold.device.Reset(scsi.UnitReset, unit)
		}
		return pdu.TaskComplete
	}
	return pdu.TaskNotSupported
}

// clearUnit ends all tasks on one logical unit.
func (s *session) clearUnit(m *taskManagement, function byte, lun uint8) {
	if function == pdu.TaskAbortTaskSet {
		s.abortAll(m, int(lun))
		return
	}
	s.everySession(func(other *session) {
		ended := other.abortAll(m, int(lun))
		if function == pdu.TaskClearTaskSet && other != s && ended {
			other.nexus.Notify(lun, scsi.CommandsCleared)
		}
	})
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

func (s *session) abortTask(m *taskManagement, itt uint32) bool {
	s.mu.Lock()
	t := s.tasks[itt]
	if t == nil {
		s.mu.Unlock()
		return false
	}
	late := t.ending
	idle := s.abort(m, t)
	s.mu.Unlock()
	if idle {
		s.taskDone(t)
	}
	return !late
}

// abortAll ends the tasks on lun, or all with -1, and tells if there were any.
func (s *session) abortAll(m *taskManagement, lun int) bool {
	var idle []*task
	s.mu.Lock()
	found := false
	for _, t := range s.tasks {
		if lun >= 0 && t.lun != lun {
			continue
		}
		found = true
		if s.abort(m, t) {
			idle = append(idle, t)
		}
	}
	s.mu.Unlock()
	for _, t := range idle {
		s.taskDone(t)
	}
	return found
}

// abort marks t, and takes it out at once (true) if nothing of it is running.
// mu is held.
func (s *session) abort(m *taskManagement, t *task) (idle bool) {
	m.left.Add(1)
	t.waiters = append(t.waiters, m)
	if t.ending { // too late, but its response is to go first
		return false
	}
	t.aborted = true
	s.stopWaiting(t)
	if t.running > 0 {
		return false
	}
	delete(s.tasks, t.itt)
	return true
}

func (m *taskManagement) done() {
	if m.left.Add(-1) == 0 {
		m.respond()
	}
}

func (m *taskManagement) respond() {
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
