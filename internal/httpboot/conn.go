package httpboot

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of connections. Descriptors are shared with the disks of machines
// that run.
const (
	maxConns = 2048
	// maxPerAddress keeps one computer from taking all of them.
	maxPerAddress = 512
)

const (
	// piece is what is sent within slowest, or the reader is taken for dead:
	// that is 17 KiB a second.
	piece   = 1 << 20
	slowest = time.Minute
)

// limiter bounds the connections of a listener. Beyond maxConns they wait to
// be accepted; those of one address beyond its share are closed.
type limiter struct {
	net.Listener
	log   *slog.Logger
	slots chan struct{}
	stop  chan struct{}
	once  sync.Once

	mu    sync.Mutex
	conns map[netip.Addr]int
	told  map[netip.Addr]bool // that it has too many; forgotten with its last connection
}

func newLimiter(l net.Listener, log *slog.Logger) *limiter {
	return &limiter{
		Listener: l, log: log, slots: make(chan struct{}, maxConns), stop: make(chan struct{}),
		conns: map[netip.Addr]int{}, told: map[netip.Addr]bool{},
	}
}

func (l *limiter) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.stop:
			return nil, net.ErrClosed
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		if from := remoteOf(c); l.enter(from) {
			return &conn{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		c.Close()
		<-l.slots
	}
}

func (l *limiter) Close() error {
	l.once.Do(func() { close(l.stop) })
	return l.Listener.Close()
}

func remoteOf(c net.Conn) netip.Addr {
	a, _ := c.RemoteAddr().(*net.TCPAddr)
	return a.AddrPort().Addr().Unmap()
}

func (l *limiter) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[from] < maxPerAddress {
		l.conns[from]++
		return true
	}
	if !l.told[from] {
		l.told[from] = true
		l.log.Warn("too many HTTP connections from one address: more are closed at once", "remote", from, "limit", maxPerAddress)
	}
	return false
}

func (l *limiter) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[from]--; l.conns[from] == 0 {
		delete(l.conns, from)
		delete(l.told, from)
	}
	<-l.slots
}

// conn gives up a reader that is too slow. How long a whole response may take
// depends on its length, so the time is for each piece of it.
type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(slowest)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ReadFrom sends in pieces what a response has been given to send. A TCP
// connection sends a file by sendfile.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	all, limited := r.(*io.LimitedReader)
	if !limited {
		all = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	if all.N > piece {
		c.cork(1)
		defer c.cork(0)
	}
	for all.N > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(slowest)); err != nil {
			return n, err
		}
		part := io.LimitedReader{R: all.R, N: min(all.N, piece)}
		m, err := io.Copy(c.Conn, &part)
		n, all.N = n+m, all.N-m
		if err != nil || part.N > 0 {
			return n, err
		}
	}
	return n, nil
}

// cork has the kernel send full segments only (tcp(7), TCP_CORK), as nginx does
// while it sends a file: 200 clients at once got 4 to 12 % more by it. What is
// left goes out with cork(0).
func (c *conn) cork(on int) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // without it the file goes out all the same
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on)
		})
	}
}
