package iscsi

import (
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

const (
	// fairWorkers a session may always have, and maxWorkers as long as all
	// together have fewer than busyWorkers: else who has much to do takes the
	// disk from who has little.
	maxWorkers  = 16
	fairWorkers = 4
	busyWorkers = 64

	// The answers of up to maxOwed WRITEs of shortWrite bytes are sent at once.
	shortWrite = 16 << 10
	maxOwed    = 16
)

// job is a step of a task that may wait for the disk.
type job struct {
	t    *task
	buf  *buffer // the data of a WRITE's piece; nil for all else
	off  int64   // of the piece in the command's data
	n    int
	last bool  // the Finish of a WRITE
	at   int64 // since when it waits for a worker, as Server.now
}

// bytes is what j moves.
func (j *job) bytes() int64 {
	if j.t.cmd.Kind == scsi.Read {
		return j.t.total
	}
	return int64(j.n)
}

// jobQueue is a ring that keeps its memory.
type jobQueue struct {
	ring        []job
	first, size int
}

func (q *jobQueue) push(j job) {
	q.grow()
	q.ring[(q.first+q.size)%len(q.ring)] = j
	q.size++
}

// grow makes room for one more.
func (q *jobQueue) grow() {
	if q.size < len(q.ring) {
		return
	}
	bigger := make([]job, max(16, 2*len(q.ring)))
	for i := range q.size {
		bigger[i] = q.ring[(q.first+i)%len(q.ring)]
	}
	q.ring, q.first = bigger, 0
}

func (q *jobQueue) pushFront(j job) {
	q.grow()
	q.first = (q.first - 1 + len(q.ring)) % len(q.ring)
	q.ring[q.first] = j
	q.size++
}

func (q *jobQueue) pop() job {
	j := q.ring[q.first]
	q.ring[q.first] = job{}
	q.first = (q.first + 1) % len(q.ring)
	q.size--
	return j
}

// enqueue hands j to a worker, as soon as its task may begin. mu is held.
func (s *session) enqueue(j job) {
	j.t.running++
	if j.t.dormant {
		j.t.parked = append(j.t.parked, j)
		return
	}
	j.at = s.srv.now()
	s.limit(j)
}

// limit hands j to a worker, as soon as the limits of its unit allow. mu is held.
func (s *session) limit(j job) {
	if h := j.t.unit.throttle; h.on.Load() && !j.t.dead() && (j.bytes() > 0 || j.t.op < OpFlush) && !j.last && !h.admit(s, j, j.at) {
		return
	}
	s.dispatch(j)
}

// dispatch hands j to a worker. mu is held. Workers end when there is nothing to
// do, so that an idle session has none. While the sessions have many workers
// together, none takes more than its share. What comes after the end of the
// session is dropped: finish may have waited for the workers already.
func (s *session) dispatch(j job) {
	if s.ended {
		j.drop()
		return
	}
	if j.t.attr == pdu.AttrHeadOfQueue {
		s.jobs.pushFront(j)
	} else {
		s.jobs.push(j)
	}
	if s.workers < fairWorkers || s.workers < maxWorkers && s.srv.worker.Load() < busyWorkers {
		s.workers++
		s.srv.worker.Add(1)
		s.wg.Add(1)
		go s.work()
	}
}

// drop gives back what j holds.
func (j *job) drop() {
	if j.buf != nil {
		j.buf.release()
	}
}

// runJobs is a worker. A writev for the answer of each short WRITE would cost
// more than all the rest, so while more jobs are queued the answers wait for one
// another: but not for a job that waits for the disk, for another goroutine is
// there to send them meanwhile.
func (s *session) runJobs() {
	defer s.wg.Done()
	owed := 0 // answers left in the outbox since this worker sent the last ones
	s.mu.Lock()
	for s.jobs.size > 0 {
		j := s.jobs.pop()
		if s.ended { // what is dropped must not be answered as done
			j.t.aborted = true
		}
		skip := j.t.dead()
		now := s.jobs.size == 0 || owed == maxOwed || j.buf == nil || j.n > shortWrite
		s.mu.Unlock()
		s.runJob(j, skip, now)
		if owed++; now {
			owed = 0
		} else if s.sending.CompareAndSwap(false, true) {
			s.wg.Add(1)
			go s.send()
		}
		s.mu.Lock()
	}
	s.workers--
	s.srv.worker.Add(-1)
	s.mu.Unlock()
}

// sendOwed sends the answers that workers have left.
func (s *session) sendOwed() {
	s.sending.Store(false) // what comes from now on wants another one
	s.out.flush()
	s.wg.Done()
}

// runJob does one step, unless it is to be skipped, and counts it done. Unless
// now is set, the caller sends the answer.
func (s *session) runJob(j job, skip, now bool) {
	t := j.t
	var sense scsi.Sense
	answered := false
	begin := s.srv.now()
	t.began(j.at, begin)
	switch {
	case skip:
	case j.buf != nil:
		sense = t.unit.Disk.WriteAt(&t.cmd, j.buf.b[:j.n], j.off)
	case j.last:
		sense = t.unit.Disk.Finish(&t.cmd)
	case t.cmd.Kind == scsi.Read:
		answered = s.serveRead(t, true)
	default:
		sense = t.unit.Disk.Execute(&t.cmd, t.params())
	}
	if !skip && t.cmd.Kind != scsi.Read {
		t.ran(begin, s.srv.now())
	}
	j.drop()
	if t.cmd.Preempts() {
		s.endPreempted(t)
		return
	}
	s.stepEnds(t, sense, answered, now)
}
