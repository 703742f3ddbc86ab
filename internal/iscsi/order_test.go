package iscsi

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// queue is a session on a disk whose writes wait.
type queue struct {
	*initiator
	srv  *Server
	disk *gatedDisk
}

// gatedDisk notes which writes begin.
type gatedDisk struct {
	*memory
	mu    sync.Mutex
	begun []int64
}

func (d *gatedDisk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	d.begun = append(d.begun, off/512)
	d.mu.Unlock()
	return d.memory.WriteAt(p, off)
}

func (d *gatedDisk) order() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.begun)
}

func newQueue(t *testing.T) *queue { return newQueueWith(t, 1<<20) }

// newQueueWith is one with so many bytes of write memory.
func newQueueWith(t *testing.T, budget int64) *queue {
	disk := &gatedDisk{memory: newMemory(1 << 20)}
	disk.gate = make(chan struct{})
	s, addr := serve(t, Options{Authority: newAuthority(disk), WriteBudget: budget})
	i := dial(t, addr)
	i.keys = strings.Replace(i.keys, "MaxBurstLength=262144", "MaxBurstLength=8192", 1)
	return &queue{i.login(), s, disk}
}

// write sends a WRITE of one sector with immediate data, or without.
func (q *queue) write(attr, lba byte, immediate bool) uint32 {
	var data []byte
	if immediate {
		data = make([]byte, 512)
	}
	q.t.Helper()
	return q.attributed(attr, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(lba, 1)...)
}

// begun waits until n writes have begun, and makes sure that no more do.
func (q *queue) begun(t *testing.T, want ...int64) {
	t.Helper()
	eventually(t, "writes begin", func() bool { return len(q.disk.order()) >= len(want) })
	time.Sleep(10 * time.Millisecond)
	got := q.disk.order()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("begun %v, want %v", got, want)
	}
}

func (q *queue) let(n int) {
	q.t.Helper()
	for range n {
		q.disk.gate <- struct{}{}
		q.expectGood()
	}
}

// ORDERED waits for the older ones, and the younger wait for it (SAM-5, 8.6.3).
func TestOrdered(t *testing.T) {
	q := newQueue(t)
	q.write(pdu.AttrSimple, 1, true)
	q.write(pdu.AttrSimple, 2, true)
	q.write(pdu.AttrOrdered, 3, true)
	q.write(pdu.AttrSimple, 4, true)
	q.write(pdu.AttrUntagged, 5, true)
	q.begun(t, 1, 2)
	q.let(1)
	q.begun(t, 1, 2)
	q.let(1)
	q.begun(t, 1, 2, 3)
	q.let(1)
	q.begun(t, 1, 2, 3, 4, 5)
	q.write(pdu.AttrOrdered, 6, true)
	q.write(pdu.AttrOrdered, 7, true)
	q.begun(t, 1, 2, 3, 4, 5)
	q.let(2)
	q.begun(t, 1, 2, 3, 4, 5, 6)
	q.let(1)
	q.begun(t, 1, 2, 3, 4, 5, 6, 7)
	q.let(1)
}

// HEAD OF QUEUE waits for nobody, not even for an ORDERED one, and the younger
// wait for it (SAM-5, 8.6.4).
func TestHeadOfQueue(t *testing.T) {
	q := newQueue(t)
	q.write(pdu.AttrSimple, 1, true)
	q.write(pdu.AttrOrdered, 2, true)
	q.write(pdu.AttrHeadOfQueue, 3, true)
	q.begun(t, 1, 3)
	q.write(pdu.AttrSimple, 4, true)
	q.let(2)
	q.begun(t, 1, 2, 3)
	q.let(1)
	q.begun(t, 1, 2, 3, 4)
	q.let(1)
	q.write(pdu.AttrHeadOfQueue, 5, true)
	q.write(pdu.AttrSimple, 6, true)
	q.begun(t, 1, 2, 3, 4, 5)
	q.let(2)
}

// READs wait too, also those of another session: there is one task set.
func TestOrderedReads(t *testing.T) {
	q := newQueue(t)
	q.write(pdu.AttrOrdered, 1, true)
	q.begun(t, 1)
	other := dial(t, q.conn.RemoteAddr().String()).as(testUser, testSecret, 2).login()
	read := make(chan []byte)
	go func() { read <- other.read10(1, 1) }()
	select {
	case <-read:
		t.Error("a younger READ was served")
	case <-time.After(20 * time.Millisecond):
	}
	q.let(1)
	<-read
}

// Data of a command that waits is asked for when it begins, so that it holds no
// memory which an older one needs.
func TestDormantHoldsNoMemory(t *testing.T) {
	q := newQueue(t)
	q.write(pdu.AttrOrdered, 1, true)
	q.begun(t, 1)
	itt := q.write(pdu.AttrSimple, 2, false)
	q.disk.gate <- struct{}{}
	q.expectGood()
	var r2t pdu.R2T
	if q.expect(&r2t); r2t.ITT != itt {
		t.Errorf("R2T for task %d, want %d", r2t.ITT, itt)
	}
	q.burst(itt, r2t.TTT, make([]byte, 512), 0, 512, 512)
	q.let(1)
	q.begun(t, 1, 2)
}

// Memory that only commands which wait hold is not waited for by the one that
// they wait for.
func TestDormantHoldsUpNobody(t *testing.T) {
	const burst, buffer = 8 << 10, 16 << 10
	q := newQueueWith(t, buffer+4<<10)
	itt := q.attributed(pdu.AttrSimple, pdu.SCSICommand{Final: true, Write: true, Expected: 2 * burst}, nil, writeCDB(1, 32)...)
	var r2t pdu.R2T
	q.expect(&r2t)
	data := make([]byte, 2*burst)
	q.burst(itt, r2t.TTT, data, 0, burst, burst)
	q.begun(t, 1)
	q.write(pdu.AttrOrdered, 3, true)
	b := q.srv.budget
	eventually(t, "the budget is spent", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.free == 0 })
	b.mu.Lock()
	b.free -= buffer // others take what is free next
	b.mu.Unlock()
	defer b.give(buffer)
	q.disk.gate <- struct{}{}
	_ = q.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	q.expect(&r2t)
	q.burst(itt, r2t.TTT, data, burst, burst, burst)
	q.let(2)
	q.begun(t, 1, 3, 17)
}

// Ending the commands that wait, or those that are waited for, lets the rest go.
func TestAbortOrdered(t *testing.T) {
	q := newQueue(t)
	q.write(pdu.AttrSimple, 1, true)
	q.begun(t, 1)
	ordered := q.write(pdu.AttrOrdered, 2, true)
	q.write(pdu.AttrSimple, 3, true)
	q.abortTask(ordered)
	q.begun(t, 1, 3)
	q.let(2)
	q.write(pdu.AttrSimple, 4, true)
	q.write(pdu.AttrOrdered, 5, true)
	q.begun(t, 1, 3, 4)
	q.conn.Close()
	eventually(t, "the session ends", func() bool {
		s := q.srv.sessionsOn(testTarget)[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ended
	})
	q.disk.gate <- struct{}{}
	q.initiator = dial(t, q.conn.RemoteAddr().String()).login()
	q.write(pdu.AttrSimple, 6, true)
	q.begun(t, 1, 3, 4, 6)
	q.let(1)
}

// Nobody is left in the order who has ended between the last barrier's end and
// the waking of those behind it: their tasks are used again.
func TestOrderForgets(t *testing.T) {
	var o order
	barrier, waits := &task{attr: pdu.AttrOrdered}, &task{}
	for _, one := range []*task{barrier, waits} {
		if !o.arrive(one) {
			t.Fatal("need not wait")
		}
	}
	u := new(unit)
	u.users.Store(3)
	u.attached.Store(1)
	o.join(u)
	if woken := o.wakeable(); len(woken) != 1 || woken[0].t != barrier {
		t.Fatalf("woken: %v", woken)
	}
	if !o.leave(barrier) {
		t.Error("nobody waits")
	}
	o.leave(waits)
	if len(o.dormant) != 0 || o.running != 0 || o.barriers.Load() != 0 {
		t.Errorf("left: %d that wait, %d that run, %d barriers", len(o.dormant), o.running, o.barriers.Load())
	}
}
