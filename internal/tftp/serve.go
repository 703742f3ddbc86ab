package tftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	defaultTransfers = 512
	defaultBlockCap  = 1468
	defaultWindowCap = 64
	// maxRequest is a request's longest form: RFC 2347 allows 512 bytes.
	maxRequest = 512
	stallTime  = 2 * time.Second
)

// dialFunc opens the port of one transfer: a new local port at the address
// that was asked, connected to the client, so that the kernel keeps strangers'
// packets out and tells us when the client's port is closed.
type dialFunc func(ctx context.Context, local netip.Addr, client netip.AddrPort) (net.Conn, error)

func dialUDP(ctx context.Context, local netip.Addr, client netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{}
	if local.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return d.DialContext(ctx, "udp", client.String())
}

// Serve answers requests that arrive on c until ctx ends, then ends the
// transfers under way. It may be called for several sockets at once. c stays
// open; Serve returns an error only if c breaks.
func (s *Server) Serve(ctx context.Context, c net.PacketConn) error {
	l := &listener{
		server: s, conn: c,
		active: make(map[netip.AddrPort]*underway),
		slots:  make(chan struct{}, or(s.MaxTransfers, defaultTransfers)),
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer l.wg.Wait()
	defer cancel()
	return l.run(ctx)
}

func or(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// listener is one socket that requests arrive on.
type listener struct {
	server *Server
	conn   net.PacketConn
	slots  chan struct{} // one per transfer under way
	wg     sync.WaitGroup

	mu     sync.Mutex
	active map[netip.AddrPort]*underway // by client
}

// underway is a transfer as a repeated request sees it.
type underway struct {
	cancel context.CancelCauseFunc
	heard  atomic.Int64 // when the client last answered, Unix nanoseconds; 0: never
}

// stalled reports that the client answered once and then fell silent: a
// request that comes now is not a late copy of the first one but a machine
// that was switched off and on. iPXE takes the same port at each boot.
func (u *underway) stalled() bool {
	at := u.heard.Load()
	return at != 0 && time.Since(time.Unix(0, at)) > stallTime
}

func (l *listener) run(ctx context.Context) error {
	read := l.reader()
	buf := make([]byte, maxRequest+1)
	for {
		n, client, local, err := read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("read TFTP request: %w", err)
		}
		if err != nil || n > maxRequest || local.IsMulticast() || local == broadcast {
			continue // RFC 1123, 4.2.3.5: never answer a broadcast
		}
		var r request
		if r.UnmarshalBinary(buf[:n]) == nil {
			l.start(ctx, r, client, local)
		}
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

type readFunc func(b []byte) (n int, client netip.AddrPort, local netip.Addr, err error)

// reader reads a request together with the address it was sent to. The wildcard
// socket's replies would otherwise leave from whichever address the route
// prefers, and clients drop those.
func (l *listener) reader() readFunc {
	own := addrPort(l.conn.LocalAddr()).Addr()
	if own.IsUnspecified() {
		own = netip.Addr{}
	}
	p := ipv4.NewPacketConn(l.conn)
	if _, udp := l.conn.(*net.UDPConn); !udp || p.SetControlMessage(ipv4.FlagDst, true) != nil {
		return func(b []byte) (int, netip.AddrPort, netip.Addr, error) {
			n, from, err := l.conn.ReadFrom(b)
			return n, addrPort(from), own, err
		}
	}
	return func(b []byte) (int, netip.AddrPort, netip.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		local := own
		if cm != nil {
			if dst, ok := netip.AddrFromSlice(cm.Dst); ok {
				local = dst.Unmap()
			}
		}
		return n, addrPort(from), local, err
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// start begins a transfer unless this client port already has one: ROMs repeat
// a request whose answer is late. With no slot free the request is dropped and
// the client will repeat it.
func (l *listener) start(ctx context.Context, r request, client netip.AddrPort, local netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.active[client]; u != nil {
		if !u.stalled() {
			return
		}
		u.cancel(ErrRestarted)
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return
	}
	u := &underway{}
	ctx, u.cancel = context.WithCancelCause(ctx)
	l.active[client] = u
	l.wg.Go(func() {
		l.serve(ctx, r, u, client, local)
		l.end(client, u)
	})
}

func (l *listener) end(client netip.AddrPort, u *underway) {
	u.cancel(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active[client] == u {
		delete(l.active, client)
	}
	<-l.slots
}

// serve runs one request to its end and reports it.
func (l *listener) serve(ctx context.Context, r request, u *underway, client netip.AddrPort, local netip.Addr) {
	t := Transfer{Request: Request{Name: cleanName(r.filename), Client: client, Local: local}}
	began := time.Now()
	t.Err = l.transfer(ctx, r, u, &t)
	t.Duration = time.Since(began)
	if l.server.Done != nil {
		l.server.Done(t)
	}
}

func (l *listener) transfer(ctx context.Context, r request, u *underway, t *Transfer) error {
	dial := l.server.dial
	if dial == nil {
		dial = dialUDP
	}
	conn, err := dial(ctx, t.Local, t.Client)
	if err != nil {
		return fmt.Errorf("open port for transfer: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	f, code, err := l.open(ctx, r, t.Request)
	if err != nil {
		conn.Write(appendError(nil, code, errorText(code, err)))
		return err
	}
	defer f.Close()
	s := l.server
	x := transfer{
		conn: conn, file: f, size: f.Size(), heard: &u.heard,
		terms: negotiate(r.options, f.Size(), or(s.MaxBlock, defaultBlockCap), or(s.MaxWindow, defaultWindowCap)),
	}
	err = x.run(ctx)
	t.Bytes, t.Aborted = x.acked, x.aborted
	return err
}

// open checks the request and asks the owner of the files.
func (l *listener) open(ctx context.Context, r request, q Request) (f File, code uint16, err error) {
	switch {
	case r.op == opWRQ:
		return nil, codeAccess, ErrWrite
	case r.mode != "octet":
		return nil, codeIllegal, fmt.Errorf("%w: %q", ErrMode, r.mode)
	case q.Name == "":
		return nil, codeNotFound, fmt.Errorf("open %q: %w", r.filename, fs.ErrNotExist)
	}
	f, err = l.server.Open(ctx, q)
	switch {
	case err == nil:
		return f, 0, nil
	case errors.Is(err, fs.ErrNotExist):
		code = codeNotFound
	case errors.Is(err, fs.ErrPermission):
		code = codeAccess
	}
	return nil, code, err
}

// errorText is what a client's screen shows. Faults of ours are not spelt out
// to strangers.
func errorText(code uint16, err error) string {
	switch {
	case errors.Is(err, ErrWrite), errors.Is(err, ErrMode):
		return err.Error()
	case code == codeNotFound:
		return "file not found"
	case code == codeAccess:
		return "access denied"
	}
	return "server error"
}
