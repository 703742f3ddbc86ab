package tftp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// end is one end of an in-process datagram link. filter decides what arrives
// of a packet that this end sends: nothing, one, or several copies.
type end struct {
	in, out chan []byte
	filter  func(p []byte) [][]byte

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed and replaced when the deadline moves
	closed   bool
}

func newLink() (a, b *end) {
	x, y := make(chan []byte, 4096), make(chan []byte, 4096)
	a = &end{in: x, out: y, moved: make(chan struct{})}
	b = &end{in: y, out: x, moved: make(chan struct{})}
	return a, b
}

func (e *end) Write(p []byte) (int, error) {
	packets := [][]byte{p}
	if e.filter != nil {
		packets = e.filter(p)
	}
	for _, q := range packets {
		select {
		case e.out <- append([]byte(nil), q...):
		default: // a full queue drops
		}
	}
	return len(p), nil
}

func (e *end) Read(p []byte) (int, error) {
	for {
		e.mu.Lock()
		moved, deadline, closed := e.moved, e.deadline, e.closed
		e.mu.Unlock()
		if closed {
			return 0, net.ErrClosed
		}
		var expired <-chan time.Time
		if !deadline.IsZero() {
			if time.Until(deadline) <= 0 {
				return 0, os.ErrDeadlineExceeded
			}
			expired = time.After(time.Until(deadline))
		}
		select {
		case q := <-e.in:
			return copy(p, q), nil
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		case <-moved:
		}
	}
}

func (e *end) wake(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	close(e.moved)
	e.moved = make(chan struct{})
}

func (e *end) SetReadDeadline(t time.Time) error { e.wake(func() { e.deadline = t }); return nil }
func (e *end) Close() error                      { e.wake(func() { e.closed = true }); return nil }

// fakeSocket is a server's socket at an end. All that comes is from one client.
type fakeSocket struct {
	*end
	client netip.AddrPort
	buf    [maxPacket + 1]byte
}

func (s *fakeSocket) receive(h handler) error {
	n, err := s.Read(s.buf[:])
	if err == nil {
		h.packet(s.buf[:n], s.client, localAddr)
	}
	return err
}

// send takes messages apart into packets.
func (s *fakeSocket) send(out []message) {
	for _, m := range out {
		for b := m.b; len(b) > 0; b = b[min(m.segment, len(b)):] {
			s.Write(b[:min(m.segment, len(b))])
		}
	}
}
