package tftp

import (
	"net/netip"
	"time"
)

// socket is what packets come and go by. Tests put a lossy link here.
type socket interface {
	// receive waits for packets and hands them on. It returns
	// os.ErrDeadlineExceeded when the deadline has passed.
	receive(h handler) error
	// SetReadDeadline ends a receive that waits, if it lies in the past.
	SetReadDeadline(time.Time) error
	// send sends all messages and notes at each what became of it.
	send(out []message)
	Close() error
}

// handler takes what comes.
type handler interface {
	// packet is of a client's; b is good until it returns. local is the
	// address of ours that it was sent to, if that is known.
	packet(b []byte, client netip.AddrPort, local netip.Addr)
	// refused tells that the client's port is closed (ICMP).
	refused(client netip.AddrPort)
}

// message is one packet, or many of the same length one after the other, of
// which the last may be shorter.
type message struct {
	client  netip.AddrPort
	local   netip.Addr // to send from; zero: the socket's own
	b       []byte
	segment int // length of one packet
	err     error
}

// Bounds of what a message holds: what the kernel takes at once.
const (
	maxSegments = 64        // UDP_MAX_SEGMENTS of older kernels
	maxMessage  = 63 << 10  // an IP packet has 64 KiB
	arenaSize   = 128 << 10 // of an outbox
	maxMessages = 64        // of an outbox
)

// outbox gathers packets until they are sent in one go.
type outbox struct {
	arena    []byte
	messages []message
}

// room returns n bytes to write packets into, or nil if the outbox is full.
func (o *outbox) room(n int) []byte {
	if o.arena == nil {
		o.arena, o.messages = make([]byte, 0, arenaSize), make([]message, 0, maxMessages)
	}
	if len(o.messages) == maxMessages || len(o.arena)+n > cap(o.arena) {
		return nil
	}
	at := len(o.arena)
	o.arena = o.arena[:at+n]
	return o.arena[at : at+n : at+n]
}

// add has packets sent that were written into room.
func (o *outbox) add(m message) { o.messages = append(o.messages, m) }

func (o *outbox) reset() { o.arena, o.messages = o.arena[:0], o.messages[:0] }
