package iscsi

import (
	"errors"
	"slices"

	"bootes.dev/internal/block"
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// writeState is how far the data of a task has come. Offsets count from the
// beginning of the command's data.
type writeState struct {
	receiving   bool  // a burst is open, from start to end
	unsolicited bool  // it is the unsolicited one, which F may end before end
	broken      bool  // it did not come as it should: its rest is dropped
	waits       bool  // in session.waiting, for room for the next burst
	deferred    bool  // will wait for that when the task is no longer dormant
	finished    bool  // Finish was asked for
	got, end    int64 // the next byte to come, and where the burst ends
	ttt         uint32
	dataSN      uint32 // of the next Data-Out
	r2tSN       uint32

	buf   *buffer // nil: the data is dropped
	base  int64   // offset of buf's first byte
	carry []byte  // bytes before got that did not fill a sector
}

// params is the parameter list of a Parameters command.
func (t *task) params() []byte {
	if t.write.buf == nil {
		return nil
	}
	return t.write.buf.b[:t.total]
}

// writeCommand begins a command that may bring data: a WRITE, a parameter
// list, or one that has failed already and whose data is only waited for, as
// RFC 7143, 11.4.2 wants. It runs on the reader.
func (s *session) writeCommand(t *task, p *pdu.SCSICommand) error {
	t.total = 0
	if k := t.cmd.Kind; k == scsi.Write || k == scsi.Parameters {
		t.total = min(t.cmd.Length, t.out)
	}
	if t.cmd.Kind == scsi.Write {
		t.total -= t.total % t.unit.Disk.BlockSize()
	}
	first := int64(p.DataLength)
	unsolicited := !p.Final && t.out > 0 && !s.params.initialR2T
	if unsolicited {
		first = min(int64(s.params.firstBurst), t.out)
		unsolicited = int64(p.DataLength) < first
	}
	simple := t.total == 0 && !unsolicited && t.cmd.Kind != scsi.Slow && t.cmd.Kind != scsi.Parameters
	if simple {
		if err := s.in.end(); err != nil {
			return err
		}
		s.respond(t, false)
		return nil
	}
	if t = s.register(); t == nil {
		return s.rejectTask()
	}
	if first > 0 {
		s.reserve(t, first, unsolicited)
		return s.receive(t, int64(p.DataLength), !unsolicited)
	}
	s.mu.Lock()
	s.advance(t)
	s.mu.Unlock()
	s.stepDone(t, scsi.Sense{}, false)
	return s.in.end()
}

// reserve opens the unsolicited burst, immediate data included. Without room
// for it the command will be BUSY: the data comes all the same, and the reader
// must not wait.
func (s *session) reserve(t *task, first int64, unsolicited bool) {
	w := &t.write
	s.mu.Lock()
	defer s.mu.Unlock()
	w.receiving, w.unsolicited, w.end, w.ttt = true, unsolicited, first, pdu.NoTag
	keep := min(first, t.total)
	if t.cmd.Kind == scsi.Parameters {
		keep = t.total
	}
	if keep == 0 {
		return
	}
	if w.buf = s.take(int(keep)); w.buf == nil {
		t.status = scsi.Busy
	}
}

// take returns a buffer for write data, or nil when this session or all
// together hold too much. mu is held.
func (s *session) take(n int) *buffer {
	if s.held.Load() >= maxHeld {
		return nil
	}
	return s.srv.budget.take(n, &s.held)
}

// holdsForLater tells whether all that the session holds came with dormant
// tasks: they may wait for the one that there is no room for. mu is held.
func (s *session) holdsForLater() bool {
	held := s.held.Load()
	for _, t := range s.tasks {
		if !t.dormant {
			continue
		}
		if t.write.buf != nil {
			held -= int64(len(t.write.buf.b))
		}
		for _, j := range t.parked {
			if j.buf != nil {
				held -= int64(len(j.buf.b))
			}
		}
	}
	return held == 0
}

// dataOut receives a Data-Out. It runs on the reader.
func (s *session) dataOut() error {
	var p pdu.DataOut
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	s.mu.Lock()
	t := s.tasks[p.ITT]
	if t == nil || t.aborted || t.ending {
		s.mu.Unlock()
		return s.in.end() // of a task that has ended: dropped
	}
	t.running++ // the reader fills buf: nobody may give it back
	if t.write.broken = t.write.broken || !t.write.expects(&p); t.write.broken {
		return s.dropBurst(t, p.Final)
	}
	s.mu.Unlock()
	err := s.receive(t, int64(p.DataLength), p.Final)
	if errors.Is(err, errDataDigest) {
		s.rejectRead(pdu.RejectDataDigest, false)
		s.mu.Lock()
		t.write.broken = true
		s.breakBurst(t, p.Final)
		return nil
	}
	return err
}

// dropBurst drops a Data-Out of a burst that is broken, and fails its command.
// s.mu is held.
func (s *session) dropBurst(t *task, final bool) error {
	s.mu.Unlock()
	if err := s.in.end(); err != nil && !errors.Is(err, errDataDigest) {
		return err
	}
	s.mu.Lock()
	s.breakBurst(t, final)
	return nil
}

// breakBurst fails a command whose data did not come as it should. The response
// has to wait for the burst's last PDU (RFC 7143, 7.8 and 11.4.2). A Data-Out
// where no burst is open is all that comes. s.mu is held, and let go.
func (s *session) breakBurst(t *task, final bool) {
	if w := &t.write; final || !w.receiving {
		w.receiving, w.unsolicited = false, false
		s.stopWaiting(t)
	}
	s.mu.Unlock()
	s.stepDone(t, scsi.DataOutOfOrder, false)
}

// expects checks a Data-Out against the open burst. Data comes in order, as
// was negotiated. What does not fit fails its command, not the session.
func (w *writeState) expects(p *pdu.DataOut) bool {
	left := w.end - w.got
	switch {
	case !w.receiving || p.TTT != w.ttt:
		return false
	case p.DataSN != w.dataSN || int64(p.Offset) != w.got:
		return false
	case int64(p.DataLength) > left || p.Final && !w.unsolicited && int64(p.DataLength) < left:
		return false
	}
	w.dataSN++
	return true
}

// receive reads n bytes of t's open burst from the connection. The caller has
// counted it in t.running.
func (s *session) receive(t *task, n int64, final bool) error {
	w := &t.write
	s.mu.Lock()
	keep := min(n, max(t.total-w.got, 0))
	var dst []byte
	if w.buf != nil && keep > 0 {
		dst = w.buf.b[w.got-w.base : w.got-w.base+keep]
	}
	s.mu.Unlock()
	if len(dst) > 0 {
		if err := s.in.data(dst); err != nil {
			return err
		}
	}
	if err := s.in.end(); err != nil {
		return err
	}
	s.mu.Lock()
	w.got += n
	if final || w.got == w.end {
		w.receiving, w.unsolicited = false, false
		s.advance(t)
	}
	s.mu.Unlock()
	s.stepDone(t, scsi.Sense{}, false)
	s.askForData()
	return nil
}

// advance takes the next step of a task that has no open burst: hands on what
// came, asks for more, or executes it. mu is held, and t.running is not 0.
func (s *session) advance(t *task) {
	w := &t.write
	if t.aborted || t.status != scsi.Good {
		return
	}
	if t.cmd.Kind == scsi.Write {
		s.handOn(t)
	}
	switch {
	case w.got < t.total && t.dormant: // what it holds, older commands may need
		w.deferred = true
	case w.got < t.total:
		w.waits = true
		s.waiting = append(s.waiting, t)
	case t.cmd.Kind == scsi.Parameters || t.cmd.Kind == scsi.Slow:
		s.enqueue(job{t: t})
	}
}

// handOn gives the whole sectors received to a worker.
func (s *session) handOn(t *task) {
	w := &t.write
	if w.buf == nil {
		return
	}
	have := min(w.got, t.total)
	whole := have &^ (block.SectorSize - 1)
	w.carry = append(w.carry[:0], w.buf.b[whole-w.base:have-w.base]...)
	if whole > w.base {
		s.enqueue(job{t: t, buf: w.buf, off: w.base, n: int(whole - w.base)})
	} else {
		w.buf.release()
	}
	w.buf, w.base = nil, whole
}

// askForData sends the R2Ts for which there is room.
func (s *session) askForData() {
	for {
		s.mu.Lock()
		t := s.openBurst()
		s.mu.Unlock()
		if t == nil {
			return
		}
		s.sendR2T(t)
		s.stepDone(t, scsi.Sense{}, false)
	}
}

// stopWaiting takes t out of those that wait for room. mu is held.
func (s *session) stopWaiting(t *task) {
	if i := slices.Index(s.waiting, t); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	t.write.waits = false
}

// openBurst opens the next burst of the first task that waits for room. It
// returns nil if none waits or there is no room. mu is held.
func (s *session) openBurst() *task {
	if len(s.waiting) == 0 || s.ended {
		return nil
	}
	t := s.waiting[0]
	w := &t.write
	carry := int64(len(w.carry))
	n := min(int64(s.params.maxBurst), maxPiece-carry, t.total-w.got)
	if w.got+n < t.total {
		n = (w.got+n)&^(block.SectorSize-1) - w.got // leave no part of a sector
	}
	if w.buf == nil {
		size := carry + n
		if t.cmd.Kind == scsi.Parameters {
			size = t.total
		}
		if w.buf = s.take(int(size)); w.buf == nil && s.holdsForLater() {
			w.buf = s.srv.budget.grant(int(size), &s.held, true)
		}
		if w.buf == nil {
			return nil
		}
		copy(w.buf.b, w.carry)
	}
	s.stopWaiting(t)
	s.nextTTT++
	if s.nextTTT == pdu.NoTag {
		s.nextTTT = 0
	}
	w.receiving, w.end, w.dataSN, w.ttt = true, w.got+n, 0, s.nextTTT
	t.running++ // until the R2T is sent
	return t
}

func (s *session) sendR2T(t *task) {
	s.mu.Lock()
	w := &t.write
	p := pdu.R2T{
		LUN: t.field, ITT: t.itt, TTT: w.ttt, R2TSN: w.r2tSN,
		Offset: uint32(w.got), Length: uint32(w.end - w.got),
	}
	w.r2tSN++
	t.dataSN++ // ExpDataSN of the response counts R2Ts
	s.mu.Unlock()
	o := &s.out
	if !o.begin() {
		return
	}
	p.Sequence = o.sequence(false)
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(nil, nil)
	o.commit(true)
}
