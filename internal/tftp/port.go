package tftp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// port is a socket and the transfers that go by it, all served by one
// goroutine. A transfer costs it some hundred bytes and no descriptor.
type port struct {
	desk    *desk
	socket  socket
	asked   bool // requests come here
	clients map[netip.AddrPort]*transfer
	timers  schedule
	now     time.Time // of the packets that are being handled
	out     outbox
	scratch []byte
	ahead   prepared

	mu      sync.Mutex
	inbox   []notice
	closed  bool
	stopped bool      // the server is stopping
	armed   time.Time // the socket's deadline
}

// notice is what others have for a port: a transfer to begin, or to end.
type notice struct {
	t   *transfer
	end error // nil: begin
}

func newPort(d *desk, s socket) *port {
	return &port{desk: d, socket: s, clients: make(map[netip.AddrPort]*transfer), scratch: make([]byte, maxBlock)}
}

// tell leaves a notice. It returns false once the port is closed.
func (p *port) tell(n notice) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.inbox = append(p.inbox, n)
	p.rouse()
	return true
}

// stop ends all transfers and the port.
func (p *port) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.rouse()
}

// rouse ends the wait for packets.
func (p *port) rouse() {
	p.armed = time.Unix(1, 0)
	_ = p.socket.SetReadDeadline(p.armed) // fails only on a closed socket, which nobody waits at
}

// run serves until stop is called. An error is the socket's.
func (p *port) run() error {
	var err error
	for {
		notices, stopped := p.collect()
		p.now = time.Now()
		if stopped || err != nil {
			return p.close(notices, err)
		}
		for _, n := range notices {
			p.note(n)
		}
		p.look()
		p.flush()
		p.prepare()
		p.arm()
		if err = p.socket.receive(p); !errors.Is(err, net.ErrClosed) {
			err = nil // the time is up
		}
		p.flush()
	}
}

// collect takes what is in the inbox.
func (p *port) collect() (notices []notice, stopped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	notices, p.inbox = p.inbox, nil
	return notices, p.stopped
}

// arm sets the deadline to the next look, unless there is something to do now.
func (p *port) arm() {
	var next time.Time
	if len(p.timers) > 0 {
		next = p.timers[0].wake
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) == 0 && !p.stopped && !next.Equal(p.armed) {
		p.armed = next
		_ = p.socket.SetReadDeadline(next) // as in rouse
	}
}

// close ends all transfers.
func (p *port) close(notices []notice, err error) error {
	p.mu.Lock()
	p.closed = true
	notices = append(notices, p.inbox...)
	p.mu.Unlock()
	for _, n := range notices {
		if n.end == nil {
			p.end(n.t, ErrStopped)
		}
	}
	for _, t := range p.clients {
		p.say(t, appendError(nil, codeUndefined, ErrStopped.Error()))
		p.end(t, ErrStopped)
	}
	p.flush()
	return err
}

func (p *port) note(n notice) {
	switch t := n.t; {
	case n.end == nil:
		p.begin(t)
	case p.clients[t.Client] == t:
		p.end(t, n.end) // and not a word: a new transfer's client may have the same port
	default:
		t.gone = n.end
	}
}

func (p *port) begin(t *transfer) {
	switch {
	case t.gone != nil:
		p.end(t, t.gone)
		return
	case t.refusal != nil:
		p.say(t, t.refusal)
		p.end(t, t.Err)
		return
	}
	if old := p.clients[t.Client]; old != nil {
		p.end(old, ErrRestarted)
	}
	p.clients[t.Client] = t
	t.start()
	p.send(t)
}

// end forgets a transfer and reports it, once.
func (p *port) end(t *transfer, err error) {
	if t.over {
		return
	}
	t.over = true
	if p.clients[t.Client] == t {
		delete(p.clients, t.Client)
	}
	p.timers.remove(t)
	if t.file != nil {
		t.file.Close()
	}
	t.Err, t.Answered, t.Block = err, t.heard.Load() != 0, t.terms.block
	t.Duration = p.now.Sub(t.began)
	p.desk.ended(t)
}

// look sends again what was not acknowledged in time.
func (p *port) look() {
	for len(p.timers) > 0 && !p.timers[0].wake.After(p.now) {
		t := p.timers[0]
		if t.due.After(p.now) {
			p.timers.later(t)
			continue
		}
		t.backoff = min(t.backoff+1, maxRetries)
		if t.try++; t.try == maxRetries {
			p.end(t, t.silent(ErrTimeout))
			continue
		}
		t.Resent++
		t.resent.Store(int64(t.Resent))
		p.send(t)
	}
}

func (p *port) packet(b []byte, client netip.AddrPort, local netip.Addr) {
	if p.asked && len(b) >= 2 && b[0] == 0 && (b[1] == opRRQ || b[1] == opWRQ) {
		p.desk.request(b, client, local)
		return
	}
	t := p.clients[client]
	var a answer
	if t == nil || a.UnmarshalBinary(b) != nil {
		return
	}
	p.now = time.Now()
	t.heard.Store(p.now.UnixNano())
	if a.op == opERROR {
		p.end(t, t.abort(a))
		return
	}
	block, ok := t.acknowledges(a.number)
	if !ok {
		if a.number == uint16(t.base-1) {
			t.Repeated++
		}
		return
	}
	if t.try == 0 {
		t.measure(p.now.Sub(t.sent))
	}
	t.try = 0
	t.advance(block)
	if t.base > t.last {
		p.end(t, nil)
		return
	}
	p.send(t)
}

func (p *port) refused(client netip.AddrPort) {
	if t := p.clients[client]; t != nil {
		p.end(t, t.silent(syscall.ECONNREFUSED))
	}
}

// send sends what is not acknowledged: the OACK, or the blocks base to end.
func (p *port) send(t *transfer) {
	if t.base == 0 {
		p.say(t, appendOACK(nil, t.terms.oack))
	} else if err := p.blocks(t); err != nil {
		p.say(t, appendError(nil, codeUndefined, "server error"))
		p.end(t, err)
	}
	if t.over {
		return
	}
	t.sent = p.now
	t.due = p.now.Add(t.timeout())
	p.timers.put(t)
}

// blocks puts the blocks base to end into the outbox, as few messages as the
// kernel takes.
func (p *port) blocks(t *transfer) error {
	whole := 4 + t.terms.block
	most := int64(min(maxSegments, max(maxMessage/whole, 1)))
	for base := t.base; base <= t.end; base += most {
		blocks := int(min(most, t.end-base+1))
		if p.ahead.t == t && p.ahead.base == base && p.ahead.blocks == blocks {
			p.add(t, p.ahead.b, whole)
			p.ahead.t = nil
			continue
		}
		b := p.room(blocks * whole)
		n, err := t.write(b, base, blocks, p.scratch)
		if err != nil {
			return err
		}
		p.add(t, b[:n], whole)
	}
	return nil
}

// prepared is a message that will be due if the next ACK is of all that was sent.
type prepared struct {
	t      *transfer
	base   int64
	blocks int
	b      []byte
}

// prepare reads what comes next while the client is busy: for a single client
// that is most of the time that we would take to answer.
func (p *port) prepare() {
	if len(p.clients) != 1 {
		return
	}
	for _, t := range p.clients {
		base, whole := t.end+1, 4+t.terms.block
		blocks := int(min(int64(t.terms.window), t.last-t.end))
		if blocks < 1 || blocks > maxSegments || blocks*whole > maxMessage || p.ahead.t == t && p.ahead.base == base {
			return
		}
		if cap(p.ahead.b) < maxMessage {
			p.ahead.b = make([]byte, maxMessage)
		}
		n, err := t.write(p.ahead.b[:cap(p.ahead.b)], base, blocks, p.scratch)
		if err != nil {
			return // it is told when it is sent
		}
		p.ahead = prepared{t, base, blocks, p.ahead.b[:n]}
	}
}

// say sends one small packet.
func (p *port) say(t *transfer, packet []byte) {
	b := p.room(len(packet))
	copy(b, packet)
	p.add(t, b, len(b))
}

// room is in the outbox, for at most half of it.
func (p *port) room(n int) []byte {
	b := p.out.room(n)
	if b == nil {
		p.flush()
		b = p.out.room(n)
	}
	return b
}

func (p *port) add(t *transfer, b []byte, segment int) {
	p.out.add(message{client: t.Client, local: t.Local, b: b, segment: segment})
}

// flush sends the outbox.
func (p *port) flush() {
	if len(p.out.messages) == 0 {
		return
	}
	p.socket.send(p.out.messages)
	for i := range p.out.messages {
		m := &p.out.messages[i]
		if t := p.clients[m.client]; m.err != nil && !transient(m.err) && t != nil {
			p.end(t, &os.SyscallError{Syscall: "send", Err: m.err})
		}
	}
	p.out.reset()
}

// transient errors of a send are loss, and our timer repairs loss.
func transient(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
