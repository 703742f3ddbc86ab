package iscsi

import (
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// attentive tells whether an operating system is at the other end, that answers
// pings and understands Async Messages. iPXE, which closes its connection at
// them, is told by its ISID, and other firmware like it by ImmediateData=No:
// while a boot loader shows its menu nothing in that machine answers, and yet
// it is alive.
func (s *session) attentive() bool { return s.params.immediateData && !s.info.FromIPXE() }

// maxUnanswered is how many times PingInterval an initiator may leave a ping
// unanswered.
const maxUnanswered = 4

// startPings looks from time to time whether the initiator has been heard. If
// not it is pinged, and after maxUnanswered more times the session ends. TCP's
// keep-alive finds a machine that is gone; this one also finds a machine whose
// kernel answers TCP but does not serve the session any more.
func (s *session) startPings() {
	if !s.attentive() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinger = time.AfterFunc(s.srv.o.PingInterval, s.lookForLife)
}

func (s *session) stopPings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinger != nil {
		s.pinger.Stop()
	}
}

// lookForLife runs on the timer, one at a time.
func (s *session) lookForLife() {
	heard := s.heard.Load()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.wg.Add(1)
	defer s.wg.Done()
	again := heard != s.lastHeard && s.silent > 1
	if heard != s.lastHeard {
		s.lastHeard, s.silent = heard, 0
	} else {
		s.silent++
	}
	silent := s.silent
	s.mu.Unlock()
	switch {
	case again:
		s.event(HeardAgain, "")
	case silent == 1:
		s.ping()
	case silent == 2:
		s.event(FellSilent, "")
	case silent > maxUnanswered:
		s.end(ReasonSilent)
		return
	}
	s.mu.Lock()
	s.pinger.Reset(s.srv.o.PingInterval)
	s.mu.Unlock()
}

// pingTag is the TTT of every ping: what comes back is not looked at.
const pingTag = 1

func (s *session) ping() {
	o := &s.out
	if !o.begin() {
		return
	}
	p := pdu.NopIn{ITT: pdu.NoTag, TTT: pingTag, Sequence: o.sequence(false)}
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(nil, nil)
	o.commit(true)
}
