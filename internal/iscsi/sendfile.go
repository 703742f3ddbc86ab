package iscsi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"bootes.dev/internal/block"
	"golang.org/x/sys/unix"
)

// sendfileFrom is the shortest piece of data that is sent by sendfile(2), in bytes.
const sendfileFrom = 64 << 10

// errFile: what a header had promised could not be read. The initiator has been
// told GOOD and a length, and nothing takes that back but the end of the
// connection. It asks again, and ReadAt tells it what is wrong.
var errFile = errors.New("disk failed in the middle of an answer")

// filePiece is data of a batch that the kernel sends from its page cache, after
// the first at parts of the vector.
type filePiece struct {
	at   int
	file block.Pinned
	n    int
	last bool // nothing else of what is pinned is sent after it
}

// fileSender sends pieces of files on a TCP connection. It is the writer's.
type fileSender struct {
	raw  syscall.RawConn // nil: it cannot
	cold func()          // the data was not in memory
	now  func() int64

	head []byte
	file block.Pinned
	left int
	sock int
	err  error
	step func(sock uintptr) bool // f.advance; a method value allocates each time
	read func(file uintptr)      // f.sendfile
}

func newFileSender(conn net.Conn, now func() int64, cold func()) *fileSender {
	f := &fileSender{now: now, cold: cold}
	f.step, f.read = f.advance, f.sendfile
	if tcp, ok := conn.(*net.TCPConn); ok {
		f.raw, _ = tcp.SyscallConn() // fails if it is closed, which whoever writes finds out
	}
	return f
}

// sendsFiles tells whether data may come from files.
func (o *outbox) sendsFiles() bool { return o.files != nil && o.files.raw != nil && !o.dataDigest }

// send sends head and then the piece.
func (f *fileSender) send(head []byte, p *filePiece) error {
	f.head, f.file, f.left, f.err = head, p.file, p.n, nil
	err := f.raw.Write(f.step)
	f.head, f.file = nil, block.Pinned{}
	if f.err != nil {
		return f.err
	}
	return err
}

// advance sends what the socket takes; false: wait until it takes more.
func (f *fileSender) advance(sock uintptr) bool {
	for len(f.head) > 0 {
		// The data that follows makes it a full segment.
		n, err := unix.SendmsgN(int(sock), f.head, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			f.head = f.head[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			f.err = fmt.Errorf("send: %w", err)
			return true
		}
	}
	f.sock = int(sock)
	if err := f.file.File.Control(f.read); err != nil {
		f.err = fmt.Errorf("%w: %w", errFile, err)
	}
	return f.left == 0 || f.err != nil
}

// sendfile sends until the socket is full. It never waits for that, so if it takes
// long, the data was not in memory.
func (f *fileSender) sendfile(file uintptr) {
	for f.left > 0 {
		began, off := f.now(), f.file.Off
		n, err := unix.Sendfile(f.sock, int(file), &off, f.left)
		if took := time.Duration(f.now() - began); took > slowRead {
			f.cold()
		}
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return
		case err == nil && n == 0:
			f.err = fmt.Errorf("%w: %w", errFile, io.ErrUnexpectedEOF)
			return
		case err != nil:
			f.err = fileError(err)
			return
		default:
			f.file.Off, f.left = off, f.left-n
		}
	}
}

// fileError tells errors of the file from those of the connection.
func fileError(err error) error {
	if err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ETIMEDOUT || err == unix.EHOSTUNREACH || err == unix.ENETUNREACH {
		return fmt.Errorf("send: %w", err)
	}
	return fmt.Errorf("%w: %w", errFile, err)
}
