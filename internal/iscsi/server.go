package iscsi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Server. Authority is required; the rest has defaults.
type Options struct {
	Authority Authority
	Events    Events
	Log       *slog.Logger

	LoginTimeout time.Duration // for a whole login; default 30 s
	RefusalDelay time.Duration // before a failed authentication is answered, more for the next ones; default 1 s
	WriteTimeout time.Duration // for an initiator to take what it is sent; default 60 s
	PingInterval time.Duration // of silence before a ping, and four of them before the end; default 30 s
	LogoutTime   time.Duration // for initiators to log out when the server stops; default 2 s
	WriteBudget  int64         // bytes of write data held for all sessions; default 128 MiB
	SlowIO       time.Duration // from which a command is told to Events; default 1 s
	MaxSessions  int           // default 4096
	MaxLogins    int           // logins in progress, a quarter of them from one address; default 512
}

func (o *Options) ensureDefaults() {
	if o.Events == nil {
		o.Events = noEvents{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 30*time.Second)
	o.RefusalDelay = cmp.Or(o.RefusalDelay, time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 60*time.Second)
	o.PingInterval = cmp.Or(o.PingInterval, 30*time.Second)
	o.LogoutTime = cmp.Or(o.LogoutTime, 2*time.Second)
	o.WriteBudget = cmp.Or(o.WriteBudget, 128<<20)
	o.SlowIO = cmp.Or(o.SlowIO, time.Second)
	o.MaxSessions = cmp.Or(o.MaxSessions, 4096)
	o.MaxLogins = cmp.Or(o.MaxLogins, 512)
}

// Server serves all targets that its Authority knows, over any number of
// listeners.
type Server struct {
	o       Options
	budget  *budget
	guesses guesses
	epoch   time.Time    // from which now counts
	slowIO  int64        // Options.SlowIO, in nanoseconds
	worker  atomic.Int32 // workers of all sessions

	mu      sync.Mutex
	targets map[string]*target // those that are held, or being logged in to
	logins  map[netip.Addr]int // in progress, by address
	pending int                // sum of logins
	count   int                // sessions in full feature phase
	tsih    uint16             // last one given
	refused map[string]uint64  // logins, by status or by what became of them

	disks map[any]*common  // by scsi.Disk.Key, those that are open
	past  [opKinds]Latency // of the units that are closed
}

// New returns a server that is not listening yet.
func New(o Options) *Server {
	o.ensureDefaults()
	return &Server{
		o:       o,
		budget:  newBudget(o.WriteBudget),
		epoch:   time.Now(),
		slowIO:  int64(o.SlowIO),
		targets: make(map[string]*target),
		logins:  make(map[netip.Addr]int),
		refused: make(map[string]uint64),

		disks: make(map[any]*common),
	}
}

// Serve accepts connections until ctx ends. It may be called for several
// listeners. It closes ln, and returns nil once ctx has ended and all that it
// started has: sessions have logged out or are cut, and their I/O has returned.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			conns.Go(func() { s.serveConn(ctx, conn) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, most likely: others will close theirs
			s.o.Log.Error("accept connection", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// serveConn serves one connection from its first byte to its last I/O.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	// Keep-alive is off until the login has shown that an OS is there.
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(false)
	}
	remote := addrPort(conn.RemoteAddr())
	if !s.enterLogin(remote.Addr()) {
		stop()
		s.o.Log.Warn("drop connection: too many logins in progress", "remote", remote)
		return
	}
	sess := func() *session {
		defer s.leaveLogin(remote.Addr())
		return s.login(ctx, conn)
	}()
	stop()
	if sess != nil {
		s.runSession(ctx, sess)
	}
}

// enterLogin bounds what strangers can make the server hold.
func (s *Server) enterLogin(from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending >= s.o.MaxLogins || s.logins[from] >= max(s.o.MaxLogins/4, 1) {
		return false
	}
	s.pending++
	s.logins[from]++
	return true
}

func (s *Server) leaveLogin(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if s.logins[from]--; s.logins[from] == 0 {
		delete(s.logins, from)
	}
}

func (s *Server) countRefusal(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[reason]++
}

// RefusedLogins counts the logins that failed, by reason: the name of the status
// that they were answered with, "initiator left" or "timeout".
func (s *Server) RefusedLogins() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

// Sessions lists the normal sessions, oldest first.
func (s *Server) Sessions() []SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []SessionInfo
	for _, t := range s.targets {
		for sess := range t.sessions {
			list = append(list, sess.describe())
		}
	}
	slices.SortFunc(list, func(a, b SessionInfo) int { return a.Since.Compare(b.Since) })
	return list
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
