package iscsi

import (
	"cmp"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

const (
	batchHead = 16 << 10  // bytes of headers and small data in a batch
	batchRoom = 1 << 10   // what one PDU may need of it
	batchSize = 512 << 10 // bytes after which a batch is full
	copyLimit = 512       // data up to here is copied beside its header

	fullWindow = 128 // commands an initiator may have outstanding
	minWindow  = 4   // under memory pressure
)

// batch is what one writev sends, or several with data from files between them.
// Headers lie in head, which is never reallocated; vec points into head and into
// the held buffers.
type batch struct {
	head []byte
	cut  int // head up to here is in vec
	vec  [][]byte
	out  net.Buffers // the part of vec not sent yet
	held []*buffer
	file []filePiece
	size int

	first sent
}

// note remembers the first command that b answers.
func (b *batch) note(t *task) {
	if b.first.unit == nil && t.op != opNone {
		b.first = sent{t.unit, t.op, t.cmd.Offset(), t.total}
	}
}

var batches = sync.Pool{New: func() any {
	return &batch{head: make([]byte, 0, batchHead)}
}}

func (b *batch) full() bool { return b.size >= batchSize || cap(b.head)-len(b.head) < batchRoom }

func (b *batch) close() {
	if b.cut < len(b.head) {
		b.vec = append(b.vec, b.head[b.cut:len(b.head):len(b.head)])
		b.cut = len(b.head)
	}
}

func (b *batch) recycle() {
	for i, h := range b.held {
		h.release()
		b.held[i] = nil
	}
	b.unpin()
	clear(b.vec)
	*b = batch{head: b.head[:0], vec: b.vec[:0], held: b.held[:0], file: b.file[:0]}
	batches.Put(b)
}

// unpin gives the files back.
func (b *batch) unpin() {
	for i := range b.file {
		if p := &b.file[i]; p.last {
			p.file.Held.Release()
		}
		b.file[i] = filePiece{}
	}
}

// outbox gathers responses and numbers them. Between begin and commit one
// caller has it to itself.
type outbox struct {
	conn         net.Conn
	timeout      time.Duration // for the initiator to take a batch; up to a quarter less
	deadline     int64         // when it was last set, by clock; the writer's
	clock        func() int64
	slow         int64 // nanoseconds from which a batch is told to stalled
	stalled      func(first sent, took time.Duration)
	files        *fileSender
	faulty       func(error) // the connection ends because of a file
	headerDigest bool
	dataDigest   bool
	budget       *budget

	expCmdSN atomic.Uint32 // set by the reader
	maxCmdSN atomic.Uint32 // set under mu

	mu      sync.Mutex
	room    sync.Cond // the batch was taken away, or writing ended
	fill    *batch    // nil when empty
	writing bool
	err     error
	statSN  uint32 // the next
	window  int
}

// begin locks the outbox with room for one PDU. False means that the
// connection is lost; then it is not locked.
func (o *outbox) begin() bool {
	o.mu.Lock()
	for o.err == nil && o.fill != nil && o.fill.full() {
		if o.writing {
			o.room.Wait()
		} else {
			o.write()
		}
	}
	if o.err != nil {
		o.mu.Unlock()
		return false
	}
	if o.fill == nil {
		o.fill = batches.Get().(*batch)
	}
	return true
}

// sequence is the numbering of the next PDU; with status it uses up a StatSN.
func (o *outbox) sequence(status bool) pdu.Sequence {
	s := pdu.Sequence{StatSN: o.statSN, ExpCmdSN: o.expCmdSN.Load(), MaxCmdSN: o.maxCmdSN.Load()}
	if status {
		o.statSN++
	}
	return s
}

// credit gives back the place in the command window of a request that has
// ended. MaxCmdSN never goes back: the window shrinks by not moving it.
func (o *outbox) credit() {
	if o.budget.low.Load() && o.window > minWindow {
		o.window--
		return
	}
	n := uint32(1)
	if o.window < fullWindow && !o.budget.low.Load() {
		o.window++
		n++
	}
	o.maxCmdSN.Add(n)
}

var zeros [3]byte // padding

// endHeader completes the header that the caller has just appended to fill.head.
func (o *outbox) endHeader() {
	if b := o.fill; o.headerDigest {
		b.head = appendDigest(b.head, pdu.Digest(0).Add(b.head[len(b.head)-pdu.HeaderSize:]))
	}
}

// putFile is put for data from a file, a multiple of 4 bytes and without a digest.
// It takes over what is pinned with the last piece of it.
func (o *outbox) putFile(p filePiece) {
	b := o.fill
	o.endHeader()
	b.close()
	p.at = len(b.vec)
	b.file = append(b.file, p)
	b.size += pdu.HeaderSize + p.n
}

// put completes the PDU whose header the caller has just appended to
// fill.head. It takes over held, from which data is, if it is not nil.
func (o *outbox) put(data []byte, held *buffer) {
	b := o.fill
	o.endHeader()
	b.size += pdu.HeaderSize + len(data)
	if len(data) > copyLimit {
		b.close()
		b.vec = append(b.vec, data)
	} else {
		b.head = append(b.head, data...)
	}
	if held != nil {
		b.held = append(b.held, held)
	}
	if len(data) == 0 {
		return
	}
	pad := zeros[:pdu.Pad(len(data))]
	b.head = append(b.head, pad...)
	if o.dataDigest {
		b.head = appendDigest(b.head, pdu.Digest(0).Add(data).Add(pad))
	}
}

func appendDigest(b []byte, d pdu.Digest) []byte {
	b = append(b, 0, 0, 0, 0)
	d.Put(b[len(b)-4:])
	return b
}

// commit ends what begin began. With flush the batch is on its way when
// commit returns, sent by this caller or by the one who is writing.
func (o *outbox) commit(flush bool) {
	if flush && !o.writing {
		o.write()
	}
	o.mu.Unlock()
}

// settle returns when all that was committed has been sent, or cannot be.
func (o *outbox) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && (o.writing || o.fill != nil) {
		if o.writing {
			o.room.Wait()
		} else {
			o.write()
		}
	}
}

// flush sends what has gathered.
func (o *outbox) flush() {
	o.mu.Lock()
	if o.fill != nil && !o.writing {
		o.write()
	}
	o.mu.Unlock()
}

// write sends batches until there is none. It is called with mu held and
// nobody writing, and lets mu go while it waits for the initiator.
func (o *outbox) write() {
	o.writing = true
	for o.err == nil && o.fill != nil {
		b := o.fill
		o.fill = nil
		o.room.Broadcast()
		o.mu.Unlock()
		err := o.send(b)
		b.recycle()
		o.mu.Lock()
		if err != nil {
			_ = o.conn.Close() // wakes the reader, who ends the session
			o.fail(err)
		}
	}
	o.writing = false
	o.room.Broadcast()
}

func (o *outbox) send(b *batch) error {
	b.close()
	begin := o.clock()
	if o.deadline == 0 || begin-o.deadline > int64(o.timeout/4) {
		o.deadline = begin
		if err := o.conn.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil {
			return err
		}
	}
	err := o.transmit(b)
	if took := o.clock() - begin; took >= o.slow {
		o.stalled(b.first, time.Duration(took))
	}
	return err
}

// transmit sends what is in b: a file's data comes behind its header.
func (o *outbox) transmit(b *batch) error {
	from := 0
	for i := range b.file {
		p := &b.file[i]
		if err := o.writeVec(b, from, p.at-1); err != nil {
			return err
		}
		if err := o.files.send(b.vec[p.at-1], p); err != nil {
			if errors.Is(err, errFile) {
				p.file.Held.Bad()
				o.faulty(err)
			}
			return err
		}
		from = p.at
	}
	return o.writeVec(b, from, len(b.vec))
}

func (o *outbox) writeVec(b *batch, from, end int) error {
	if from == end {
		return nil
	}
	b.out = net.Buffers(b.vec[from:end])
	_, err := b.out.WriteTo(o.conn)
	return err
}

// failure is why nothing is sent any more, else otherwise.
func (o *outbox) failure(otherwise error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return cmp.Or(o.err, otherwise)
}

// fail drops everything, now and from now on. mu is held and nobody writes:
// a buffer given back while writev still reads it could carry another
// machine's data to this one.
func (o *outbox) fail(err error) {
	if o.err == nil {
		o.err = err
	}
	if o.fill != nil {
		o.fill.recycle()
		o.fill = nil
	}
	o.room.Broadcast()
}
