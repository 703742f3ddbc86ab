package boot

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/recorder"
)

// Bounds on what one boot records of what it asks of our web server: an installer
// fetches thousands of files.
const (
	maxAsked = 30
	maxPath  = 120 // characters
)

// looked is of how many requests of one address we look who sent them, which
// takes longer than many a request; maxAskers are the addresses counted.
var looked = rate{50, 3600}

const maxAskers = 4096

// askers counts requests by address.
type askers struct {
	mu sync.Mutex
	by map[netip.Addr]*bucket
}

// take reports whether to look who sent one more request.
func (k *askers) take(from netip.Addr, now time.Time) bool {
	k.mu.Lock()
	b := k.by[from]
	if b == nil {
		if k.by == nil || len(k.by) >= maxAskers {
			k.by = map[netip.Addr]*bucket{}
		}
		b = &bucket{}
		k.by[from] = b
	}
	k.mu.Unlock()
	return b.take(looked, now)
}

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
	if !s.askers.take(r.Remote, s.now()) {
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
