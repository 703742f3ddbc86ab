package initiator

import (
	"io"
	"net"

	"bootes.dev/internal/iscsi/pdu"
)

const (
	readBuffer = 64 << 10
	// directFrom is the data, in bytes, that goes past the buffer to its place: to copy
	// it once more would cost more than the system calls that are spared.
	directFrom = 32 << 10
)

// source gives the reader what comes, and sends what has gathered before it
// waits for more.
type source struct {
	s     *Session
	conn  net.Conn
	short bool // the next read is for a header, with long data behind it, most likely
}

func (f *source) Read(p []byte) (int, error) {
	if f.short {
		f.short, p = false, p[:min(len(p), pdu.HeaderSize)]
	}
	f.s.flushFromReader()
	return f.conn.Read(p)
}

// fill reads what belongs into p.
func (s *Session) fill(p []byte) error {
	if len(p) < directFrom {
		_, err := io.ReadFull(s.in, p)
		return err
	}
	ahead, _ := s.in.Peek(min(len(p), s.in.Buffered())) // cannot fail: it is there
	n, _ := s.in.Discard(copy(p, ahead))
	_, err := io.ReadFull(s.from, p[n:])
	s.from.short = n < len(p)
	return err
}
