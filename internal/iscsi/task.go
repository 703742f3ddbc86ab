package iscsi

import (
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// task is a SCSI command in progress.
type task struct {
	s       *session
	unit    *unit // entered: the reader for as long as it serves the command, and each task
	cmd     scsi.Command
	lun     int // -1 for a number no unit can have
	field   uint64
	itt     uint32
	in, out int64 // what the initiator expects to receive or send, in bytes
	total   int64 // what is moved of it
	counted bool  // has a place in the command window
	attr    byte  // task attribute; 0 is SIMPLE
	slept   bool  // was dormant when it came
	dataSN  uint32

	// What follows is guarded by session.mu once the task is registered.
	status   scsi.Status
	sense    scsi.Sense
	running  int // jobs queued or running, the reader filling buf, an R2T being sent
	aborted  bool
	ending   bool  // over; its response is being sent
	answered bool  // its status rode in a Data-In
	dormant  bool  // waits for older commands; see order
	parked   []job // what it begins with then
	waiters  []*ending
	write    writeState
	trace
}

func (t *task) fail(s scsi.Sense) {
	if t.status == scsi.Good && !s.OK() {
		t.status, t.sense = s.Status(), s
	}
}

// dead tells whether nothing more is done for t at the disk. mu of its session
// is held.
func (t *task) dead() bool { return t.aborted || t.status != scsi.Good }

// register makes a task of the reader's scratch one that others can find. It
// returns nil when the initiator uses a task tag twice or has too many tasks.
func (s *session) register() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.tasks[s.scratch.itt]; old != nil && !old.ending || len(s.tasks) >= maxTasks {
		return nil
	}
	var t *task
	if n := len(s.idle); n > 0 {
		t, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		t = new(task)
	}
	*t = s.scratch
	t.running = 1       // until the reader has done its part and calls stepDone
	t.unit.users.Add(1) // the reader is in it, too
	s.tasks[t.itt] = t
	t.dormant = t.unit.order.arrive(t)
	t.fail(t.unit.Disk.Admit(&t.cmd))
	if s.hold.left(t.unit) {
		t.fail(unitGone)
	}
	return t
}

// rejectTask refuses the command that register made no task of.
func (s *session) rejectTask() error {
	s.mu.Lock()
	reason := byte(pdu.RejectTaskInProgress)
	if len(s.tasks) >= maxTasks { // the window keeps the others from being so many
		reason = pdu.RejectTooManyImmediate
	}
	s.mu.Unlock()
	return s.reject(reason, s.scratch.counted)
}

// stepDone ends a step of t that was counted in running; the last one ends
// the task. answered means that the step has sent the status.
func (s *session) stepDone(t *task, sense scsi.Sense, answered bool) {
	s.stepEnds(t, sense, answered, true)
}

// stepEnds is stepDone; unless now is set the caller sends the answer.
func (s *session) stepEnds(t *task, sense scsi.Sense, answered, now bool) {
	s.mu.Lock()
	t.fail(sense)
	t.answered = t.answered || answered
	t.running--
	over := t.over()
	if over && !t.aborted && t.status == scsi.Good && t.cmd.Kind == scsi.Write && t.cmd.NeedsFinish() && t.total > 0 && !t.write.finished {
		t.write.finished, over = true, false
		s.enqueue(job{t: t, last: true})
	}
	t.ending = over
	more := len(s.waiting) > 0
	s.mu.Unlock()
	if over {
		s.taskDone(t, now)
	}
	if more {
		s.askForData()
	}
}

// over tells whether nothing is left to be done or waited for.
func (t *task) over() bool {
	w := &t.write
	return t.running == 0 && (t.aborted || !w.receiving && !w.waits && (w.got >= t.total || t.status != scsi.Good || t.cmd.Kind == scsi.Read))
}

// taskDone answers a task that is over, and then forgets it. In this order: a
// task management response of "no such task" must not overtake the task's own
// (libiscsi frees it and crashes at the latter).
func (s *session) taskDone(t *task, now bool) {
	t.dropData()
	switch {
	case t.aborted && !t.answered:
		s.out.mu.Lock()
		if t.counted {
			s.out.credit()
		}
		s.out.mu.Unlock()
	case !t.answered:
		if t.status == scsi.Good {
			s.measure(t, max(t.clock, t.arrived))
		}
		s.respond(t, now)
	}
	s.mu.Lock()
	if s.tasks[t.itt] == t { // else the initiator has used the tag again
		delete(s.tasks, t.itt)
	}
	waiters := t.waiters
	u := t.unit
	t.waiters = nil
	s.mu.Unlock()
	for _, m := range waiters {
		m.done()
	}
	u.end(t)
	s.mu.Lock() // from here on t may be another command
	if len(s.idle) < maxTasks {
		s.idle = append(s.idle, t)
	}
	s.mu.Unlock()
}

// dropData gives back the memory of data that will not be used any more.
func (t *task) dropData() {
	if t.write.buf != nil {
		t.write.buf.release()
		t.write.buf = nil
	}
}

// residual compares what the command would move with what was expected.
func (t *task) residual(moved int64) (overflow, underflow bool, n uint32) {
	expected := t.in + t.out // one of them is 0
	switch want := t.wants(); {
	case t.status == scsi.Good && want > expected:
		return true, false, uint32(min(want-expected, 0xffffffff))
	case moved < expected:
		return false, true, uint32(expected - moved)
	}
	return false, false, 0
}

// wants is the data that the command asks to move, whatever was expected.
func (t *task) wants() int64 {
	if t.cmd.Kind == scsi.Control || t.cmd.Kind == scsi.Slow {
		return t.total
	}
	return t.cmd.Length
}

// respond sends a SCSI Response.
func (s *session) respond(t *task, flush bool) {
	o := &s.out
	if !o.begin() {
		return
	}
	var data []byte
	if t.status == scsi.CheckCondition {
		data = t.unit.Disk.AppendSense(t.sense, make([]byte, 2, 2+scsi.SenseSize))
		data[1] = byte(len(data) - 2)
	}
	if t.counted {
		o.credit()
	}
	o.fill.note(t)
	moved := int64(0)
	if t.status == scsi.Good {
		moved = t.total
	}
	p := pdu.SCSIResponse{
		Status: byte(t.status), DataLength: len(data), ITT: t.itt,
		Sequence: o.sequence(true), ExpDataSN: t.dataSN,
	}
	p.Overflow, p.Underflow, p.Residual = t.residual(moved)
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(data, nil)
	o.commit(flush)
}
