package boot

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"bootes.dev/internal/recorder"
)

// Bounds on what one boot records of what it asks of our web server: an installer
// fetches thousands of files.
const (
	maxAsked = 30
	maxPath  = 120 // characters
)

// Asked is a request to our web server, other than for a script.
type Asked struct {
	Method, Path string
	Status       int
	Remote       netip.Addr
}

// HTTPAsked records a request under the boot of the machine that it came from. A
// loader that was sent is LoaderFetched's.
func (s *Service) HTTPAsked(ctx context.Context, r Asked) {
	if r.Status < 400 && r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/loader/") {
		return
	}
	a := s.attemptAt(ctx, r.Remote)
	if a == nil {
		return
	}
	defer s.alive(a)
	e := recorder.Event{Level: recorder.Info}
	switch {
	case r.Status >= 400:
		e.Level = recorder.Warn
		e.Text = fmt.Sprintf("asks by HTTP for %.*s, and is answered %d %s", maxPath, r.Path, r.Status, http.StatusText(r.Status))
	case r.Method == http.MethodHead:
		e.Text = fmt.Sprintf("asks by HTTP how large %.*s is", maxPath, r.Path)
	default:
		e.Text = fmt.Sprintf("fetches %.*s by HTTP", maxPath, r.Path)
	}
	var many bool
	s.attempts.with(a, func() { many = a.asks >= maxAsked })
	if many {
		e.Level, e.Text = recorder.Info, "fetches more by HTTP"
	}
	if s.sayOnce(a, e) {
		s.attempts.with(a, func() { a.asks++ })
	}
}
