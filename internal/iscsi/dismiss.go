package iscsi

import (
	"context"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// runSession serves a session until it ends or ctx does, which it is told of.
func (s *Server) runSession(ctx context.Context, sess *session) {
	dismissed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(dismissed)
		sess.dismiss()
	})
	sess.run()
	if !stop() {
		<-dismissed
	}
}

// dismiss ends the session because the server stops. An initiator that
// understands it is asked to log out first: it finishes what it has begun and
// logs in again when it can.
func (s *session) dismiss() {
	const reason = "the server stops"
	if !s.attentive() || s.discovery {
		s.end(reason)
		return
	}
	timer := time.AfterFunc(s.srv.o.LogoutTime, func() { s.end(reason) })
	defer timer.Stop()
	s.requestLogout()
	<-s.drained
}

func (s *session) requestLogout() {
	o := &s.out
	if !o.begin() {
		return
	}
	p := pdu.AsyncMessage{Event: pdu.AsyncLogout, Sequence: o.sequence(true)}
	p.Parameter3 = uint16(max(s.srv.o.LogoutTime/time.Second, 1))
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(nil, nil)
	o.commit(true)
}
