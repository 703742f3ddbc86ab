package iscsi

import "bootes.dev/internal/scsi"

// job is a step of a task that may wait for the disk.
type job struct {
	t    *task
	buf  *buffer // the data of a WRITE's piece; nil for all else
	off  int64   // of the piece in the command's data
	n    int
	last bool // the Finish of a WRITE
}

// jobQueue is a ring that keeps its memory.
type jobQueue struct {
	ring        []job
	first, size int
}

func (q *jobQueue) push(j job) {
	if q.size == len(q.ring) {
		bigger := make([]job, max(16, 2*len(q.ring)))
		for i := range q.size {
			bigger[i] = q.ring[(q.first+i)%len(q.ring)]
		}
		q.ring, q.first = bigger, 0
	}
	q.ring[(q.first+q.size)%len(q.ring)] = j
	q.size++
}

func (q *jobQueue) pop() job {
	j := q.ring[q.first]
	q.ring[q.first] = job{}
	q.first = (q.first + 1) % len(q.ring)
	q.size--
	return j
}

// enqueue hands j to a worker. mu is held. Workers end when there is nothing
// to do, so that an idle session has none.
func (s *session) enqueue(j job) {
	j.t.running++
	s.jobs.push(j)
	if s.workers < maxWorkers {
		s.workers++
		s.wg.Add(1)
		go s.work()
	}
}

func (s *session) runJobs() {
	defer s.wg.Done()
	s.mu.Lock()
	for s.jobs.size > 0 {
		j := s.jobs.pop()
		if s.ended { // what is dropped must not be answered as done
			j.t.aborted = true
		}
		skip := j.t.aborted || j.t.status != scsi.Good
		s.mu.Unlock()
		s.runJob(j, skip)
		s.mu.Lock()
	}
	s.workers--
	s.mu.Unlock()
}

// runJob does one step, unless it is to be skipped, and counts it done.
func (s *session) runJob(j job, skip bool) {
	t := j.t
	var sense scsi.Sense
	answered := false
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
	if j.buf != nil {
		j.buf.release()
	}
	s.stepDone(t, sense, answered)
}
