package initiator

import (
	"net"
	"sync"
	"syscall"

	"bootes.dev/internal/iscsi/pdu"
)

// copyLimit is the data, in bytes, that is copied beside its header; longer
// pieces are sent from where they are.
const copyLimit = 8 << 10

// batch is what one writev sends.
type batch struct {
	head []byte   // headers and short data
	cut  int      // head up to here is in vec
	vec  [][]byte // empty while head is all
	out  net.Buffers
	refs []*slot // whose data vec points to, once for each piece
}

func (b *batch) empty() bool { return len(b.head) == 0 }

// close puts what head has gathered into vec.
func (b *batch) close() {
	if b.cut < len(b.head) {
		b.vec = append(b.vec, b.head[b.cut:len(b.head):len(b.head)])
		b.cut = len(b.head)
	}
}

func (b *batch) reset() {
	clear(b.vec)
	*b = batch{head: b.head[:0], vec: b.vec[:0], refs: b.refs[:0]}
}

// outbox gathers requests and sends them. It is guarded by Session.mu, which
// is let go while the socket is written to: writing says that somebody does.
type outbox struct {
	s       *Session
	fill    *batch
	other   *batch // the one being sent, or idle
	left    int    // bytes of other.head that went already
	writing bool
	handed  bool // the writer is to go on with other
	changed sync.Cond

	raw     syscall.RawConn // nil: never try
	attempt func(fd uintptr) bool
	tried   int // bytes that the attempt sent

	req  pdu.SCSICommand // being put; here because put would have it allocated
	data pdu.DataOut
}

func (o *outbox) init(s *Session) {
	o.s, o.fill, o.other = s, new(batch), new(batch)
	o.changed.L = &s.mu
	if c, ok := s.conn.(syscall.Conn); ok {
		o.raw, _ = c.SyscallConn()
	}
	o.attempt = func(fd uintptr) bool {
		o.tried, _ = syscall.Write(int(fd), o.other.head)
		return true // whatever came of it: the writer does the rest
	}
}

// put appends a PDU. ref, if not nil, is whose data it is: that may be sent
// from its place.
func (o *outbox) put(p appender, data []byte, ref *slot) (err error) {
	b := o.fill
	at := len(b.head)
	if b.head, err = p.AppendBinary(b.head); err != nil {
		return err
	}
	if o.s.got.HeaderDigest {
		b.head = appendDigest(b.head, pdu.Digest(0).Add(b.head[at:]))
	}
	if len(data) == 0 {
		return nil
	}
	if ref == nil || len(data) <= copyLimit {
		b.head = append(b.head, data...)
	} else {
		b.close()
		b.vec = append(b.vec, data)
		b.refs = append(b.refs, ref)
		ref.unsent++
	}
	pad := zeros[:pdu.Pad(len(data))]
	b.head = append(b.head, pad...)
	if o.s.got.DataDigest {
		b.head = appendDigest(b.head, pdu.Digest(0).Add(data).Add(pad))
	}
	return nil
}

var zeros [3]byte // padding

func appendDigest(b []byte, d pdu.Digest) []byte {
	b = append(b, 0, 0, 0, 0)
	d.Put(b[len(b)-pdu.DigestSize:])
	return b
}

// send sends all that has gathered, unless somebody does already. mu is held,
// and let go meanwhile.
func (o *outbox) send() {
	if o.writing {
		return
	}
	o.writing = true
	for o.s.err == nil && !o.fill.empty() {
		o.swap()
		o.sendOther()
	}
	o.ended(true)
}

// ended tells that nobody writes any more, if it was the caller who did.
func (o *outbox) ended(wrote bool) {
	if wrote {
		o.writing = false
	}
	if o.s.err != nil {
		o.changed.Broadcast()
	}
}

// swap takes the batch away to be sent. mu is held.
func (o *outbox) swap() {
	o.fill, o.other, o.left = o.other, o.fill, 0
}

// sendOther sends what is left of the batch taken away.
func (o *outbox) sendOther() {
	b := o.other
	o.s.mu.Unlock()
	b.close()
	var err error
	if len(b.vec) == 1 {
		_, err = o.s.conn.Write(b.head[o.left:])
	} else {
		b.out = net.Buffers(b.vec)
		_, err = b.out.WriteTo(o.s.conn)
	}
	if err != nil {
		o.s.fail(err)
	}
	o.s.mu.Lock()
	o.sent()
}

// sent gives the batch back. mu is held.
func (o *outbox) sent() {
	for i, sl := range o.other.refs {
		sl.unsent--
		o.other.refs[i] = nil
	}
	if len(o.other.refs) > 0 {
		o.changed.Broadcast()
	}
	o.other.reset()
}

// flushFromReader sends what goes without waiting, and leaves the rest to the
// writer.
func (s *Session) flushFromReader() {
	o := &s.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || o.writing || o.fill == nil || o.fill.empty() {
		return
	}
	o.writing = true
	for s.err == nil && !o.fill.empty() {
		o.swap()
		if o.raw == nil || len(o.other.vec) > 0 || !o.tryOther() {
			o.hand()
			return
		}
	}
	o.writing = false
}

// hand leaves the batch taken away, and writing, to the writer. mu is held.
func (o *outbox) hand() {
	o.handed = true
	o.changed.Broadcast()
}

// tryOther tells whether the batch went at once, whole.
func (o *outbox) tryOther() bool {
	o.s.mu.Unlock()
	o.tried = 0
	_ = o.raw.Write(o.attempt)
	o.s.mu.Lock()
	if o.left = max(o.tried, 0); o.left < len(o.other.head) {
		return false
	}
	o.sent()
	return true
}

// write is the writer: it goes on where the reader would have had to wait.
func (s *Session) write() {
	defer s.wg.Done()
	o := &s.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.err == nil && !o.handed {
			o.changed.Wait()
		}
		if s.err != nil {
			o.ended(o.handed)
			return
		}
		o.handed = false
		o.sendOther()
		o.writing = false
		o.send()
	}
}
