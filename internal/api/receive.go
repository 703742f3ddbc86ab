package api

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// receiving wraps a unix listener's connections so that they take descriptors.
type receiving struct{ net.Listener }

func (l receiving) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if u, ok := c.(*net.UnixConn); ok {
		return &conn{UnixConn: u}, nil
	}
	return c, err
}

// conn is a connection that keeps the last descriptor passed over it
// (unix(7), SCM_RIGHTS) until a request takes it.
type conn struct {
	*net.UnixConn

	mu     sync.Mutex
	closed bool
	file   *os.File
}

// Read reads bytes and picks up a descriptor that comes along.
func (c *conn) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(p, oob)
	if oobn > 0 {
		c.keep(oob[:oobn])
	}
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return max(n, 0), err // ReadMsgUnix counts -1 on a connection that breaks
}

// keep takes the descriptor out of a control message. The buffer has room for
// one; the kernel closes what does not fit. Package net sets close-on-exec.
func (c *conn) keep(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			c.put(os.NewFile(uintptr(fd), "passed file"))
		}
	}
}

func (c *conn) put(f *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		c.file.Close()
	}
	c.file = f
	if c.closed && f != nil {
		f.Close()
		c.file = nil
	}
}

// take gives the descriptor away; nil if none has come.
func (c *conn) take() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.file
	c.file = nil
	return f
}

// Close closes the connection, and the descriptor if nobody took it.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
	c.mu.Unlock()
	return c.UnixConn.Close()
}

// peer tells who is at the other end, as the kernel saw it when they connected.
func peer(c *net.UnixConn) (*unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, credErr)
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the request's connection; nil if it is no unix socket.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
