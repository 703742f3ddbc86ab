package iscsi

import (
	"context"
	"fmt"
	"sync"
)

// Vacate ends the sessions on the target called name and waits until their I/O
// has returned and the units are closed. From then on until release is called
// nobody gets in: logins are refused at once as "service unavailable", which
// initiators take for a reason to try again, and the Authority's Refused is
// told reason. After release it is the Authority that decides, as ever.
//
// It is for what must have a volume to itself, such as removing it. When ctx
// ends first, the sessions are ended all the same, the units may still be open,
// and logins are let in again. release may be called more than once.
func (s *Server) Vacate(ctx context.Context, name, reason string) (release func(), err error) {
	t := s.bar(name, reason)
	release = sync.OnceFunc(func() { s.unbar(t) })
	if err := s.empty(ctx, name, reason); err != nil {
		release()
		return nil, fmt.Errorf("end sessions on %q: %w", name, err)
	}
	return release, nil
}

// EndSessions is Vacate for those who do not mind who logs in next.
func (s *Server) EndSessions(ctx context.Context, name, reason string) error {
	release, err := s.Vacate(ctx, name, reason)
	if err != nil {
		return err
	}
	release()
	return nil
}

func (s *Server) bar(name, reason string) *target {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.entry(name)
	t.vacant++
	t.why = reason
	return t
}

func (s *Server) unbar(t *target) {
	s.mu.Lock()
	t.vacant--
	s.mu.Unlock()
	s.unref(t)
}

func (s *Server) checkVacant(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.targets[name]; t != nil && t.vacant > 0 {
		return refuse(StatusUnavailable, "%s", t.why)
	}
	return nil
}

// empty ends all sessions and closes the units. A login that is being let in
// meanwhile holds busy, and is ended too.
func (s *Server) empty(ctx context.Context, name, reason string) error {
	t, err := s.acquire(ctx, name)
	if err != nil {
		return err
	}
	defer t.release()
	for sess := range t.sessions {
		sess.end(reason)
	}
	if err := t.drain(ctx, func(*session) bool { return true }); err != nil {
		return err
	}
	t.closeIfEmpty()
	return nil
}
