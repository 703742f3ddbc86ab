package iscsi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

const (
	loginData    = 8192     // MaxRecvDataSegmentLength during login
	maxLoginText = 32 << 10 // of one request, over all its PDUs
	maxLoginPDUs = 64
	readBuffer   = 32 << 10
)

// login runs the login phase on conn. It returns nil when the login failed,
// which it has then told the initiator and the Authority, or when it was a
// session that is over already.
func (s *Server) login(ctx context.Context, conn net.Conn) *session {
	deadline := time.Now().Add(s.o.LoginTimeout)
	_ = conn.SetDeadline(deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	l := &login{
		srv:  s,
		conn: conn,
		neg: negotiator{
			authority: s.o.Authority,
			req:       Login{Remote: addrPort(conn.RemoteAddr()), Local: addrPort(conn.LocalAddr())},
			params:    defaultParams(),
		},
		sess: newSession(s, conn),
	}
	l.in = framer{r: bufio.NewReaderSize(conn, loginData+pdu.HeaderSize), maxData: loginData}
	err := l.run(ctx)
	if err == nil {
		return l.sess
	}
	var elsewhere *Redirect
	if errors.As(err, &elsewhere) {
		l.redirect(elsewhere)
	} else {
		l.refused(ctx, err)
	}
	return nil
}

// login moves the PDUs; what is in them is the negotiator's.
type login struct {
	srv  *Server
	conn net.Conn
	in   framer
	neg  negotiator
	sess *session

	req    pdu.LoginRequest // the last one
	statSN uint32
	pdus   int // received
}

func (l *login) run(ctx context.Context) error {
	for {
		text, err := l.receive()
		if err != nil {
			return err
		}
		answer, done, err := l.neg.step(ctx, &l.req, text)
		if err != nil {
			return err
		}
		if !done {
			if err := l.respond(answer.text, answer.transit, answer.next); err != nil {
				return err
			}
			continue
		}
		return l.finish(ctx, answer)
	}
}

// finish enters full feature phase.
func (l *login) finish(ctx context.Context, answer answer) error {
	l.srv.guesses.succeed(l.neg.user)
	sess := l.sess
	sess.info = SessionInfo{Login: l.neg.req, User: l.neg.user, Mutual: l.neg.mutual, Since: time.Now(), TSIH: 1}
	sess.discovery = l.neg.discovery
	if l.neg.tsih != 0 {
		return l.srv.refuseConnection(sess.info.Login, l.neg.tsih)
	}
	if sess.discovery {
		if err := l.srv.enterDiscovery(); err != nil {
			return err
		}
	} else {
		if err := l.srv.join(ctx, sess, l.neg.secret); err != nil {
			return err
		}
	}
	err := l.respond(answer.text, true, pdu.FullFeature)
	if err == nil {
		err = l.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		sess.finish(err)
		return err
	}
	sess.start(&l.neg.params, &l.in, l.statSN, l.req.CmdSN)
	return nil
}

// receive reads one login request, which may come in several PDUs, each but
// the last with the C bit and answered by an empty response.
func (l *login) receive() ([]byte, error) {
	var text []byte
	for {
		var h pdu.Header
		if err := l.in.next(&h); err != nil {
			return nil, err
		}
		if h.Opcode != pdu.OpLoginRequest {
			return nil, refuse(StatusInvalidRequest, "opcode %02x before the login was done", byte(h.Opcode))
		}
		if err := l.req.UnmarshalBinary(l.in.bhs[:]); err != nil {
			return nil, err
		}
		if l.pdus++; l.pdus > maxLoginPDUs || len(text)+h.DataLength > maxLoginText {
			return nil, refuse(StatusInitiatorError, "login has no end")
		}
		part := make([]byte, h.DataLength)
		if err := l.in.data(part); err != nil {
			return nil, err
		}
		if err := l.in.end(); err != nil {
			return nil, err
		}
		text = append(text, part...)
		if !l.req.Continue {
			return text, nil
		}
		if l.req.Transit {
			return nil, refuse(StatusInitiatorError, "login request with both T and C")
		}
		if err := l.respond(nil, false, 0); err != nil {
			return nil, err
		}
	}
}

func (l *login) respond(text []byte, transit bool, next pdu.Stage) error {
	return l.write(text, transit, next, StatusSuccess)
}

func (l *login) write(text []byte, transit bool, next pdu.Stage, status Status) error {
	p := pdu.LoginResponse{
		Transit: transit, Stage: l.req.Stage, Next: next,
		DataLength: len(text), ISID: l.req.ISID, TSIH: l.req.TSIH, ITT: l.req.ITT,
		Sequence: pdu.Sequence{StatSN: l.statSN, ExpCmdSN: l.req.CmdSN, MaxCmdSN: l.req.CmdSN + fullWindow - 1},
		Status:   uint16(status),
	}
	if next == pdu.FullFeature {
		p.TSIH = l.sess.info.TSIH
	}
	l.statSN++
	b, err := p.AppendBinary(nil)
	if err != nil {
		return err
	}
	b = append(b, text...)
	b = append(b, make([]byte, pdu.Pad(len(text)))...)
	_, err = l.conn.Write(b)
	return err
}

func (l *login) redirect(to *Redirect) {
	l.srv.o.Log.Info("redirect login", "initiator", l.neg.req.Initiator, "target", l.neg.req.Target,
		"remote", l.neg.req.Remote, "user", l.neg.user, "to", to.Portal)
	_ = l.write(to.text(), false, 0, to.status())
}

// refused tells the initiator its status and the Authority the reason. Who
// guesses secrets is made to wait, and holds one of its few logins meanwhile.
func (l *login) refused(ctx context.Context, err error) {
	status, reason, label := StatusTargetError, err.Error(), ""
	var r *Refusal
	var lost net.Error
	switch {
	case errors.As(err, &r):
		status, reason = r.Status, r.Reason
	case errors.Is(err, errProtocol), errors.Is(err, pdu.ErrText):
		status = StatusInitiatorError
	case errors.Is(err, io.EOF) && l.neg.mutual:
		label = "initiator left"
		reason = "initiator left when the target had proved itself by mutual CHAP: it has another secret for that"
	case errors.Is(err, io.EOF):
		label = "initiator left"
		reason = "initiator left in the middle of the login"
	case errors.As(err, &lost) && lost.Timeout():
		label, reason = "timeout", "login took too long"
	}
	if label == "" {
		label = status.String()
	}
	if l.pdus == 0 {
		// A port scan or a health check; there is nobody to tell.
		l.srv.o.Log.Debug("connection without a login", "remote", l.neg.req.Remote, "error", err)
		return
	}
	l.srv.countRefusal(label)
	l.srv.o.Log.Debug("refuse login", "initiator", l.neg.req.Initiator, "target", l.neg.req.Target,
		"remote", l.neg.req.Remote, "user", l.neg.user, "reason", reason)
	l.srv.o.Authority.Refused(l.neg.req, l.neg.user, reason)
	if status == StatusAuthFailure {
		doublings := l.srv.guesses.fail(l.neg.req.Remote.Addr(), l.neg.user, l.srv.now())
		select {
		case <-time.After(l.srv.o.RefusalDelay << doublings):
		case <-ctx.Done():
		}
	}
	_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = l.write(nil, false, 0, status)
}
