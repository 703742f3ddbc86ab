package httpboot

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that is long goes out in full segments, and nothing of it, nor of what
// the connection says next, is held back.
func TestCorkOnlyWhileAFileIsSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go io.Copy(io.Discard, peer)

	for _, test := range []struct{ size, want int }{{piece, 0}, {piece + 1, 1}} {
		look := &corkLook{t: t, conn: server, want: test.want}
		n, err := (&conn{Conn: server}).ReadFrom(&io.LimitedReader{R: look, N: int64(test.size)})
		if n != int64(test.size) || err != nil {
			t.Errorf("sent %d bytes of %d: %v", n, test.size, err)
		}
		if got := look.corked(); got != 0 {
			t.Errorf("after %d bytes TCP_CORK is %d", test.size, got)
		}
	}
}

// corkLook is read from while a connection sends, and looks at that.
type corkLook struct {
	t    *testing.T
	conn net.Conn
	want int
}

func (c *corkLook) Read(p []byte) (int, error) {
	if got := c.corked(); got != c.want {
		c.t.Errorf("while it is sent TCP_CORK is %d, want %d", got, c.want)
	}
	return len(p), nil
}

func (c *corkLook) corked() (on int) {
	raw, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	ctlErr := raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK) })
	if err := errors.Join(ctlErr, err); err != nil {
		c.t.Error(err)
	}
	return on
}
