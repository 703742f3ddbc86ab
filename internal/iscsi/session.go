package iscsi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

const (
	maxTasks = fullWindow + 32      // outstanding, immediate ones included
	maxHeld  = int64(maxPiece) * 32 // write data of one session
)

// session is one session and its one connection.
type session struct {
	srv        *Server
	conn       net.Conn
	target     *target  // nil in a discovery session
	hold       *holding // nil in a discovery session
	nexus      *scsi.Nexus
	discovery  bool
	info       SessionInfo
	handedOver bool // logged in beside a running session of the owner
	params     params
	maxData    atomic.Int64 // params.maxData, which a text request may change
	chunk      int64        // bytes of one burst of Data-In

	in  framer
	out outbox

	// Owned by the reader.
	scratch   task // the command being looked at
	req       pdu.SCSICommand
	text      []byte          // what a text request has brought so far
	answer    []byte          // what of a text response is still to be sent
	missing   map[uint32]bool // CmdSNs forgone that are not yet expected
	readSeen  bool
	writeSeen bool

	heard atomic.Uint32 // times that something was read
	cold  atomic.Int32  // READs to be given to workers before one is tried inline
	held  atomic.Int64  // write data in memory, bytes

	sending atomic.Bool // a goroutine for sendOwed is about to begin

	mu        sync.Mutex
	tasks     map[uint32]*task // by ITT: all but those that the reader serves itself
	waiting   []*task          // for the write budget, in order
	jobs      jobQueue
	workers   int
	ended     bool // take no more jobs
	reason    string
	nextTTT   uint32
	pinger    *time.Timer // nil where nobody is pinged
	probes    int         // under way; see probe
	lastHeard uint32
	silent    int     // times that nothing was heard since
	idle      []*task // used ones, to be used again
	limited   int     // jobs that wait for the limits of their unit

	work    func() // s.runJobs; `go s.runJobs()` would allocate
	send    func() // s.sendOwed
	wg      sync.WaitGroup
	drained chan struct{} // closed when the last I/O has returned
	left    chan struct{} // closed when its target has forgotten it, too
}

func newSession(srv *Server, conn net.Conn) *session {
	s := &session{srv: srv, conn: conn, tasks: make(map[uint32]*task), drained: make(chan struct{}), left: make(chan struct{})}
	s.work, s.send = s.runJobs, s.sendOwed
	s.out.room.L = &s.out.mu
	return s
}

// start makes the session ready to run with what the login settled.
func (s *session) start(p *params, login *framer, statSN, cmdSN uint32) {
	left := make([]byte, login.r.Buffered())
	_, _ = io.ReadFull(login.r, left)
	s.params = *p
	s.maxData.Store(int64(p.maxData))
	s.chunk = int64(min(p.maxBurst, maxPiece) &^ (block.SectorSize - 1))
	s.in = framer{
		r:            bufio.NewReaderSize(&flushReader{s: s, left: left}, readBuffer),
		headerDigest: p.headerDigest, dataDigest: p.dataDigest, maxData: ourMaxData,
	}
	o := &s.out
	o.conn, o.timeout, o.budget = s.conn, s.srv.o.WriteTimeout, s.srv.budget
	o.headerDigest, o.dataDigest = p.headerDigest, p.dataDigest
	o.statSN, o.window = statSN, fullWindow
	o.clock, o.slow, o.stalled = s.srv.now, s.srv.slowIO, s.stalled
	o.files, o.faulty = newFileSender(s.conn, s.srv.now, s.chill), func(err error) { s.end(err.Error()) }
	o.expCmdSN.Store(cmdSN)
	o.maxCmdSN.Store(cmdSN + fullWindow - 1)
	s.keepAlive()
}

// keepAlive finds out by TCP whether an operating system is still there.
func (s *session) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// EndDead may be first: the session is known before its login is answered.
	if tcp, ok := s.conn.(*net.TCPConn); ok && s.attentive() && s.probes == 0 {
		setKeepAlive(tcp, patient, 0)
	}
}

// flushReader reads the connection for the framer. Responses are sent before
// it waits, so that none is held back while the initiator waits for it.
type flushReader struct {
	s    *session
	left []byte // read ahead during login
}

func (r *flushReader) Read(p []byte) (int, error) {
	if len(r.left) > 0 {
		n := copy(p, r.left)
		r.left = r.left[n:]
		return n, nil
	}
	r.s.out.flush()
	n, err := r.s.conn.Read(p)
	r.s.heard.Add(1)
	return n, err
}

// run serves the session until its connection ends.
func (s *session) run() {
	s.srv.o.Log.Info("session begins", "initiator", s.info.Initiator, "target", s.info.Target,
		"remote", s.info.Remote, "user", s.info.User, "owner", s.info.Owner)
	s.event(LoggedIn, "")
	if s.handedOver {
		s.event(HandedOver, "")
	}
	s.startPings()
	var err error
	for err == nil {
		err = s.serveOne()
	}
	if errors.Is(err, errDataDigest) {
		s.rejectRead(pdu.RejectDataDigest, false)
	}
	if errors.Is(err, errLogout) {
		s.out.settle() // another may be about to send the answer
	} else {
		s.out.flush()
	}
	s.finish(err)
}

// end makes the session end soon, for reason; false if it was ending already.
// Jobs not begun are dropped. drained tells when the rest has returned.
func (s *session) end(reason string) bool {
	s.mu.Lock()
	first := !s.ended
	if first {
		s.ended, s.reason = true, reason
	}
	s.mu.Unlock()
	_ = s.conn.Close()
	return first
}

var errLogout = errors.New(ReasonLogout)

// finish ends the session: nothing of it runs when finish returns.
func (s *session) finish(err error) {
	defer close(s.left)
	if errors.Is(err, net.ErrClosed) {
		err = s.out.failure(err)
	}
	reason := err.Error()
	switch {
	case errors.Is(err, io.EOF):
		reason = "initiator closed the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		reason = "initiator reset the connection"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		reason = ReasonUntaken
	}
	s.end(reason)
	s.stopPings()
	s.wg.Wait()
	s.mu.Lock()
	left := s.tasks
	s.tasks, s.waiting = nil, nil // from now on jobs are dropped
	for _, t := range left {
		t.unpark()
		s.unlimit(t.unit, true)
	}
	reason = s.reason
	s.mu.Unlock()
	for _, t := range left {
		t.dropData()
		for _, m := range t.waiters {
			m.done()
		}
		t.unit.end(t)
	}
	s.out.mu.Lock()
	s.out.fail(net.ErrClosed)
	s.out.mu.Unlock()
	if s.nexus != nil {
		s.nexus.Leave()
	}
	close(s.drained)
	if s.target == nil {
		s.srv.leaveDiscovery()
		return
	}
	s.srv.o.Log.Info("session ends", "initiator", s.info.Initiator, "target", s.info.Target,
		"remote", s.info.Remote, "owner", s.info.Owner, "reason", reason)
	s.event(Ended, reason)
	s.target.leave(s)
}

func (s *session) event(kind EventKind, reason string) {
	if s.target != nil {
		e := Event{Kind: kind, Session: s.describe(), Reason: reason}
		switch {
		case kind == FellSilent:
			e.Unanswered = s.srv.o.PingInterval
		case reason == ReasonSilent:
			e.Unanswered = maxUnanswered * s.srv.o.PingInterval
		}
		if e.Unanswered > 0 {
			e.Silent = e.Unanswered + s.srv.o.PingInterval
		}
		s.srv.o.Events.SessionEvent(e)
	}
}

func (s *session) describe() SessionInfo {
	info := s.info
	if s.hold != nil {
		info.Usage = s.hold.usage()
	}
	return info
}

// serveOne reads one PDU and serves it, or hands it on.
func (s *session) serveOne() error {
	if s.discovery {
		_ = s.conn.SetReadDeadline(time.Now().Add(idleDiscovery))
	}
	var h pdu.Header
	if err := s.in.next(&h); err != nil {
		return err
	}
	switch h.Opcode {
	case pdu.OpDataOut:
		if s.discovery {
			return protocolError("data out in a discovery session")
		}
		return s.dataOut()
	case pdu.OpSNACK: // nothing is ever sent twice: error recovery level 0
		return s.reject(pdu.RejectSNACK, false)
	case pdu.OpSCSICommand, pdu.OpTaskRequest, pdu.OpNopOut, pdu.OpTextRequest, pdu.OpLogoutRequest:
	default:
		return s.reject(pdu.RejectNotSupported, false)
	}
	// CmdSN lies at the same place in all requests that have one.
	inOrder, err := s.order(h.Immediate, s.in.cmdSN())
	if err != nil {
		return err
	}
	if !inOrder {
		return s.in.end()
	}
	switch h.Opcode {
	case pdu.OpSCSICommand:
		return s.command()
	case pdu.OpTaskRequest:
		return s.manageTasks()
	case pdu.OpNopOut:
		return s.nopOut()
	case pdu.OpTextRequest:
		return s.textRequest()
	default:
		return s.logout()
	}
}

// reject refuses the PDU being read. counted: it has a place in the command
// window.
func (s *session) reject(reason byte, counted bool) error {
	if err := s.in.end(); err != nil {
		return err
	}
	s.rejectRead(reason, counted)
	return nil
}

// rejectRead refuses the PDU just read, with its header.
func (s *session) rejectRead(reason byte, counted bool) {
	o := &s.out
	if !o.begin() {
		return
	}
	if counted {
		o.credit()
	}
	p := pdu.Reject{Reason: reason, DataLength: len(s.in.bhs), Sequence: o.sequence(true)}
	o.fill.head, _ = p.AppendBinary(o.fill.head)
	o.put(s.in.bhs[:], nil)
	o.commit(false)
}
