package iscsi

import (
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

const (
	// A READ that takes longer than slowRead came from a disk, not from
	// memory; then the next coldReads READs go to workers, and more for each
	// of them that is slow in turn.
	slowRead  = 500 * time.Microsecond
	coldReads = 32
	// inlineRead is the longest READ that the reader serves itself, so that
	// it is soon back at the connection.
	inlineRead = 1 << 20
	// sendAtOnce is the burst from which data is sent while the next is read.
	sendAtOnce = 128 << 10
)

// readCommand serves a READ, or hands it to a worker.
func (s *session) readCommand(t *task) error {
	if err := s.in.end(); err != nil {
		return err
	}
	if !s.readSeen {
		s.readSeen = true
		s.event(FirstRead, "")
	}
	if t.unit.watched.Load() {
		t.unit.tell(&t.cmd)
	}
	t.total = min(t.cmd.Length, t.in)
	if t.total == 0 {
		s.respond(t, false)
		return nil
	}
	if t.hot() && s.cold.Load() <= 0 && t.total <= inlineRead {
		if !s.serveRead(t, false) {
			s.respond(t, false)
		}
		return nil
	}
	if t = s.register(); t == nil {
		return s.rejectTask()
	}
	s.mu.Lock()
	s.enqueue(job{t: t})
	s.mu.Unlock()
	s.stepDone(t, scsi.Sense{}, false)
	return nil
}

// hot tells whether nothing but the disk may hold t up.
func (t *task) hot() bool {
	u := t.unit
	return t.attr == 0 && u.order.barriers.Load() == 0 && !u.throttle.on.Load()
}

// serveRead reads and sends burst by burst. False means that t failed and
// that its status is still to be sent.
func (s *session) serveRead(t *task, worker bool) (answered bool) {
	for off := int64(0); off < t.total; {
		n := min(s.chunk, t.total-off)
		if !worker && s.sendPinned(t, off, n) {
			off += n
			continue
		}
		sectors := (n + block.SectorSize - 1) &^ (block.SectorSize - 1)
		buf := newBuffer(int(sectors))
		sense := t.unit.Disk.ReadAt(&t.cmd, buf.b[:sectors], off)
		now := s.srv.now()
		took := now - t.clock
		t.disk += took
		s.temper(time.Duration(took), worker)
		if !sense.OK() || worker && s.stopped(t) {
			buf.release()
			s.mu.Lock()
			t.fail(sense)
			s.mu.Unlock()
			return false
		}
		last := off+n == t.total
		if last {
			s.measure(t, now)
		}
		s.sendData(t, buf.b[:n], buf, off, last, worker || n >= sendAtOnce)
		off += n
		if !last {
			t.clock = s.srv.now()
		}
	}
	return true
}

func (s *session) stopped(t *task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // what is cut short must not be answered as done
		t.aborted = true
	}
	return t.aborted
}

// chill gives the next READs to workers.
func (s *session) chill() { s.cold.Store(coldReads) }

// temper decides who serves the next READs.
func (s *session) temper(took time.Duration, worker bool) {
	switch {
	case took > slowRead:
		s.chill()
	case worker && s.cold.Load() > 0:
		s.cold.Add(-1)
	}
}

// sendPinned sends one burst of Data-In from the page cache, if it is there, with
// the status in the last.
func (s *session) sendPinned(t *task, off, n int64) bool {
	if n < sendfileFrom || s.maxData.Load() < sendfileFrom || n%block.SectorSize != 0 || !s.out.sendsFiles() {
		return false
	}
	p, ok := t.unit.Disk.Pin(&t.cmd, off, n)
	if !ok {
		return false
	}
	last := off+n == t.total
	now := s.srv.now()
	t.disk += now - t.clock
	t.clock = now
	if last {
		s.measure(t, now)
	}
	s.sendFile(t, p, n, off, last)
	return true
}

// sendFile is sendData from a file. It takes over what is pinned.
func (s *session) sendFile(t *task, p block.Pinned, n, off int64, last bool) {
	for flush := n >= sendAtOnce; n > 0; {
		m := min(s.maxData.Load()&^3, n)
		final := m == n
		if !s.beginData(t, int(m), off, final, last && final) {
			p.Held.Release()
			return
		}
		s.out.putFile(filePiece{file: p, n: int(m), last: final})
		s.out.commit(flush && final)
		p.Off, off, n = p.Off+m, off+m, n-m
	}
}

// sendData sends one burst of Data-In, with the status in the last. It takes
// over buf, from which data is, if it is not nil.
func (s *session) sendData(t *task, data []byte, buf *buffer, off int64, last, flush bool) {
	o := &s.out
	limit := int(s.maxData.Load()) &^ 3
	for len(data) > 0 {
		n := min(limit, len(data))
		final := n == len(data)
		if !s.beginData(t, n, off, final, last && final) {
			if buf != nil {
				buf.release()
			}
			return
		}
		if final {
			o.put(data, buf)
		} else {
			o.put(data[:n], nil)
		}
		o.commit(flush && final)
		data, off = data[n:], off+int64(n)
	}
}

// beginData begins the outbox and a Data-In of n bytes in it. False means that
// the connection is lost; then it has begun nothing.
func (s *session) beginData(t *task, n int, off int64, final, status bool) bool {
	o := &s.out
	if !o.begin() {
		return false
	}
	p := pdu.DataIn{
		Final: final, HasStatus: status, DataLength: n,
		ITT: t.itt, TTT: pdu.NoTag, DataSN: t.dataSN, Offset: uint32(off),
	}
	if status {
		p.Overflow, p.Underflow, p.Residual = t.residual(min(t.total, t.in))
		if t.counted {
			o.credit()
		}
		o.fill.note(t)
	}
	p.Sequence = o.sequence(status)
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	t.dataSN++
	return true
}
