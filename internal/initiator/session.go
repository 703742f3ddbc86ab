package initiator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"bootes.dev/internal/iscsi/pdu"
)

// Session is one session and its one connection. All methods may be called from
// any number of goroutines.
type Session struct {
	conn    net.Conn
	o       Options
	got     Negotiated
	from    *source
	in      *bufio.Reader // over from
	free    chan uint16   // places of the table that nobody has
	stopped chan struct{} // closed when reader and writer have ended

	table  []slot
	places [spare]sync.Mutex // held over a request in that spare place
	out    outbox

	mu        sync.Mutex // guards what follows, and out
	err       error      // why the session has ended
	cmdSN     uint32
	maxCmdSN  uint32
	expStatSN uint32
	waiting   ring // for the command window

	wg sync.WaitGroup
}

// slot is a place in the table, for one request at a time.
type slot struct {
	cmd  *Command
	own  Command // Do's
	done chan struct{}
	tag  uint32 // of its present or last request
	kind kind

	cmdSN uint32 // of its present or last SCSI command

	unsent int // pieces of cmd.Out in batches not sent yet; guarded by mu

	// The reader's.
	moved  int    // bytes of Data-In received
	dataSN uint32 // the next, of Data-In and R2T together
	answer answer // to what is no SCSI command
}

// kind is what was asked for.
type kind byte

const (
	scsiCommand kind = iota + 1
	pingRequest
	taskRequest
	textRequest
	logoutRequest
)

// ErrClosed: the session was closed or logged out by this side.
var ErrClosed = errors.New("session is closed")

// errDepth: Start was called with all places taken.
var errDepth = errors.New("more commands than the depth of the queue")

func newSession(conn net.Conn, o *Options) *Session {
	s := &Session{conn: conn, o: *o, stopped: make(chan struct{})}
	s.from = &source{s: s, conn: conn}
	s.in = bufio.NewReaderSize(s.from, readBuffer)
	return s
}

// begin enters full feature phase.
func (s *Session) begin(l *login) {
	s.got = l.got
	// Two places more, for an abort and a ping beside a full queue.
	n := s.o.Depth + spare
	s.table, s.free = make([]slot, n), make(chan uint16, n)
	s.waiting.ring = make([]uint16, n)
	for i := range s.table {
		s.table[i].done = make(chan struct{}, 1)
		s.table[i].tag = uint32(i)
		if i < s.o.Depth {
			s.free <- uint16(i)
		}
	}
	s.cmdSN, s.expStatSN, s.maxCmdSN = l.cmdSN, l.expStatSN, l.cmdSN // until a PDU says more
	s.out.init(s)
	s.wg.Add(2)
	go s.read()
	go s.write()
	go func() {
		s.wg.Wait()
		s.finish()
		close(s.stopped)
	}()
}

// Places of the table beside those of commands.
const (
	spare      = 2
	abortPlace = 0 // from Depth on
	otherPlace = 1
)

// Negotiated is what login settled.
func (s *Session) Negotiated() Negotiated { return s.got }

// Depth is how many commands may be outstanding.
func (s *Session) Depth() int { return s.o.Depth }

// Done is closed when the session has ended and nothing of it runs.
func (s *Session) Done() <-chan struct{} { return s.stopped }

// Err is why the session has ended, nil while it has not.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the session without a logout. It returns when nothing of it runs;
// what is outstanding has failed with ErrClosed by then.
func (s *Session) Close() error {
	s.fail(ErrClosed)
	<-s.stopped
	return nil
}

// fail ends the session for the first reason given.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.out.changed.Broadcast()
	s.mu.Unlock()
	_ = s.conn.Close()
}

// finish fails all that is outstanding, when reader and writer have ended.
func (s *Session) finish() {
	s.mu.Lock()
	for s.out.writing { // from buffers that are given back now
		s.out.changed.Wait()
	}
	s.mu.Unlock()
	for i := range s.table {
		sl := &s.table[i]
		s.mu.Lock()
		waits := sl.kind != 0
		if waits && sl.cmd != nil {
			sl.cmd.Err = s.err
		}
		s.mu.Unlock()
		if waits {
			s.complete(sl)
		}
	}
}

// Logout ends the session in order.
func (s *Session) Logout(ctx context.Context) error {
	_, err := s.request(ctx, otherPlace, logoutRequest, nil, func(tag uint32) appender {
		return &pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutSession, ITT: tag, CmdSN: s.cmdSN, ExpStatSN: s.expStatSN}
	})
	s.fail(ErrClosed)
	<-s.stopped
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// Ping sends a NOP-Out with data and waits for its echo.
func (s *Session) Ping(ctx context.Context, data []byte) error {
	a, err := s.request(ctx, otherPlace, pingRequest, data, func(tag uint32) appender {
		return &pdu.NopOut{Immediate: true, ITT: tag, TTT: pdu.NoTag, DataLength: len(data), CmdSN: s.cmdSN, ExpStatSN: s.expStatSN}
	})
	if err == nil && string(a.text) != string(data) {
		err = fmt.Errorf("%d bytes came back for %d sent", len(a.text), len(data))
	}
	if err != nil {
		return fmt.Errorf("ping target: %w", err)
	}
	return nil
}

// Manage sends a task management request, about the command whose task tag is
// ref or about none (pdu.NoTag), and returns the target's response code.
func (s *Session) Manage(ctx context.Context, function, lun uint8, ref uint32) (response byte, err error) {
	return s.manage(ctx, otherPlace, function, lun, ref)
}

func (s *Session) manage(ctx context.Context, place int, function, lun uint8, ref uint32) (byte, error) {
	a, err := s.request(ctx, place, taskRequest, nil, func(tag uint32) appender {
		return &pdu.TaskRequest{
			Immediate: true, Function: function, LUN: pdu.LUNField(lun), ITT: tag, RefITT: ref,
			CmdSN: s.cmdSN, ExpStatSN: s.expStatSN, RefCmdSN: s.refCmdSN(function, ref),
		}
	})
	if err != nil {
		return 0, fmt.Errorf("manage tasks: %w", err)
	}
	return a.code, nil
}

// refCmdSN is the CmdSN of the task to be aborted, by which a target knows one that
// never came to it (RFC 7143, 11.5.5). mu is held.
func (s *Session) refCmdSN(function byte, ref uint32) uint32 {
	if i := int(ref & 0xffff); function == pdu.TaskAbortTask && i < len(s.table) && s.table[i].tag == ref {
		return s.table[i].cmdSN
	}
	return 0
}

type appender interface {
	AppendBinary([]byte) ([]byte, error)
}

// answer is that to a request which is no SCSI command.
type answer struct {
	ok   bool
	code byte   // response
	more uint32 // TTT of a text answer that goes on
	text []byte
}

// request sends what is no SCSI command, one at a time in each of the spare
// places, and waits for the answer. header is called with mu held.
func (s *Session) request(ctx context.Context, place int, k kind, data []byte, header func(tag uint32) appender) (answer, error) {
	s.places[place].Lock()
	defer s.places[place].Unlock()
	sl := &s.table[s.o.Depth+place]
	s.mu.Lock()
	err := s.err
	if err == nil {
		sl.take(nil, k)
		err = s.out.put(header(sl.tag), data, nil)
		s.out.send()
	}
	s.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	select {
	case <-sl.done:
	case <-ctx.Done(): // the place cannot be used again: so the session ends
		s.fail(ctx.Err())
		<-sl.done
	}
	if !sl.answer.ok {
		return answer{}, s.Err()
	}
	return sl.answer, nil
}

// take begins another request in the place. mu is held.
func (sl *slot) take(c *Command, k kind) {
	sl.tag += 1 << 16 // the index stays in the low half
	if sl.tag>>16 == 0xffff {
		sl.tag &= 0xffff // never NoTag
	}
	sl.cmd, sl.kind, sl.unsent = c, k, 0
	sl.moved, sl.dataSN, sl.answer = 0, 0, answer{}
}
