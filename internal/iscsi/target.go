package iscsi

import (
	"context"

	"bootes.dev/internal/scsi"
)

// target is a name that is held by an owner, or being logged in to.
type target struct {
	srv  *Server
	name string

	// busy is held (by sending) while the owner, the units or the set of
	// sessions change. It is a channel so that a login may give up waiting.
	busy chan struct{}
	refs int // users of this entry in Server.targets; guarded by Server.mu

	vacant int    // calls of Vacate in force; guarded by Server.mu
	why    string // what logins are told meanwhile

	owner    string
	hold     *holding
	sessions map[*session]bool // changed under busy and Server.mu, read under either
}

// acquire returns the target called name with its busy lock held.
func (s *Server) acquire(ctx context.Context, name string) (*target, error) {
	s.mu.Lock()
	t := s.entry(name)
	s.mu.Unlock()
	select {
	case t.busy <- struct{}{}:
		return t, nil
	case <-ctx.Done():
		s.unref(t)
		return nil, ctx.Err()
	}
}

// entry returns the target called name, counting one more user. s.mu is held.
func (s *Server) entry(name string) *target {
	t := s.targets[name]
	if t == nil {
		t = &target{srv: s, name: name, busy: make(chan struct{}, 1), sessions: make(map[*session]bool)}
		s.targets[name] = t
	}
	t.refs++
	return t
}

func (s *Server) unref(t *target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.refs--; t.refs == 0 && s.targets[t.name] == t {
		delete(s.targets, t.name)
	}
}

func (t *target) release() {
	<-t.busy
	t.srv.unref(t)
}

// join admits sess and makes it a session of its target, which may end other
// sessions: all those of another owner, and one of the same initiator and ISID
// (session reinstatement, RFC 7143, 6.3.5). secret is what its user has proved.
func (s *Server) join(ctx context.Context, sess *session, secret string) error {
	if err := s.checkVacant(sess.info.Target); err != nil {
		return err // at once, and not after a wait for the lock
	}
	t, err := s.acquire(ctx, sess.info.Target)
	if err != nil {
		return refuse(StatusUnavailable, "target is busy with another login")
	}
	defer t.release()
	if err := s.checkVacant(sess.info.Target); err != nil {
		return err
	}
	// A login takes its time, and whoever makes a new secret means to end the old.
	if now, ok := s.o.Authority.Account(ctx, sess.info.Login, sess.info.User); ok && now != secret {
		return refuse(StatusAuthFailure, "%q was given another CHAP secret during the login", sess.info.User)
	}
	// Under the target's lock: else an older owner, admitted first and joining
	// last, could fence a newer one.
	grant, err := s.o.Authority.Admit(ctx, sess.info.Login, sess.info.User)
	if err != nil {
		return err
	}
	if t.hold != nil && t.owner != grant.Owner {
		if err := t.fence(ctx, grant.Owner); err != nil {
			return err
		}
	}
	if err := t.reinstate(ctx, sess); err != nil {
		return err
	}
	if t.hold == nil {
		units, err := grant.Open(ctx)
		if err != nil {
			return err
		}
		t.hold, t.owner = s.newHolding(t.name, units), grant.Owner
	}
	sess.target, sess.hold, sess.info.Owner = t, t.hold, grant.Owner
	if err := t.add(sess); err != nil {
		t.closeIfEmpty()
		return err
	}
	return nil
}

// refuseConnection tells why there is no second connection in a session, nor
// another in place of its first: it has one, and with ErrorRecoveryLevel 0 and
// DefaultTime2Retain 0 it ends with it.
func (s *Server) refuseConnection(req Login, tsih uint16) error {
	for _, old := range s.sessionsOn(req.Target) {
		if old.info.TSIH == tsih && old.info.Initiator == req.Initiator && old.info.ISID == req.ISID {
			return refuse(StatusTooManyConnections, "login of another connection to session %d, which has the only one it may have", tsih)
		}
	}
	return refuse(StatusNoSession, "login of another connection to session %d, which there is not", tsih)
}

func (t *target) add(sess *session) error {
	s := t.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= s.o.MaxSessions {
		return refuse(StatusOutOfResources, "%d sessions are running, the most allowed", s.count)
	}
	s.count++
	t.refs++
	sess.handedOver = len(t.sessions) > 0
	t.sessions[sess] = true
	sess.info.TSIH = s.nextTSIH()
	sess.nexus = sess.hold.device.Join(sessionInitiator(sess))
	return nil
}

// sessionInitiator is what the units know of a session.
func sessionInitiator(s *session) scsi.Initiator {
	return scsi.Initiator{Port: s.info.port(), Quiet: s.info.FromIPXE(), Abort: s.abortFor}
}

func (s *Server) enterDiscovery() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= s.o.MaxSessions {
		return refuse(StatusOutOfResources, "%d sessions are running, the most allowed", s.count)
	}
	s.count++
	return nil
}

func (s *Server) leaveDiscovery() {
	s.mu.Lock()
	s.count--
	s.mu.Unlock()
}

// nextTSIH returns a handle that no session has. s.mu is held.
func (s *Server) nextTSIH() uint16 {
	used := make(map[uint16]bool)
	for _, t := range s.targets {
		for sess := range t.sessions {
			used[sess.info.TSIH] = true
		}
	}
	for s.tsih++; s.tsih == 0 || used[s.tsih]; s.tsih++ {
	}
	return s.tsih
}

// fence ends all sessions of the present owner and waits until their I/O has
// returned, then closes the units.
func (t *target) fence(ctx context.Context, by string) error {
	for sess := range t.sessions {
		sess.event(Fenced, by)
		sess.end("fenced: a newer login holds the target")
	}
	if err := t.drain(ctx, func(*session) bool { return true }); err != nil {
		return err
	}
	t.closeIfEmpty()
	return nil
}

func (t *target) reinstate(ctx context.Context, sess *session) error {
	same := func(old *session) bool {
		return old.info.Initiator == sess.info.Initiator && old.info.ISID == sess.info.ISID
	}
	for old := range t.sessions {
		if same(old) {
			old.end("reinstated: the initiator logged in again")
		}
	}
	return t.drain(ctx, same)
}

// drain waits for the I/O of the ended sessions that which picks, and removes
// them.
func (t *target) drain(ctx context.Context, which func(*session) bool) error {
	for sess := range t.sessions {
		if !which(sess) {
			continue
		}
		select {
		case <-sess.drained:
			t.remove(sess)
		case <-ctx.Done():
			return refuse(StatusUnavailable, "I/O of the former session has not returned yet")
		}
	}
	return nil
}

func (t *target) remove(sess *session) {
	s := t.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(t.sessions, sess)
	t.refs--
	s.count--
}

// closeIfEmpty gives the units back when no session is left.
func (t *target) closeIfEmpty() {
	if len(t.sessions) > 0 || t.hold == nil {
		return
	}
	t.hold.end()
	t.hold, t.owner = nil, ""
}

// leave is called by a session that has ended and drained.
func (t *target) leave(sess *session) {
	t.busy <- struct{}{}
	t.srv.ref(t)
	defer t.release()
	if t.sessions[sess] { // else whoever ended it has removed it
		t.remove(sess)
		t.closeIfEmpty()
	}
}

func (s *Server) ref(t *target) {
	s.mu.Lock()
	t.refs++
	s.mu.Unlock()
}

// retireFirmware ends iPXE's sessions when the system that it has loaded has
// written for itself. iPXE under a BIOS never
// closes its connection, and once the machine is off nobody else would.
func (t *target) retireFirmware() {
	t.srv.mu.Lock()
	var done []*session
	for sess := range t.sessions {
		if sess.info.FromIPXE() {
			done = append(done, sess)
		}
	}
	t.srv.mu.Unlock()
	for _, sess := range done {
		sess.end("the operating system has taken over")
	}
}
