package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// Command is one SCSI command. Its owner leaves it and its buffers alone from
// Start until Done is called.
type Command struct {
	LUN  uint8
	Attr byte // task attribute; 0 means simple
	CDB  [16]byte
	Out  []byte // data for the target; not together with In
	In   []byte // is filled with the target's data

	// Done is called when the command is over, on the goroutine that reads the
	// session: it must not wait. It may call Start.
	Done func(*Command)

	Result Result
	Err    error // the session has ended, or the target broke the protocol
}

// Result is what the target said of a command.
type Result struct {
	Status   byte // SCSI status
	Moved    int  // bytes of Data-In received
	Residual int  // bytes too few (negative) or too many (positive) were expected

	sense    [maxSense]byte
	senseLen uint8
}

const maxSense = 96

// Status codes (SAM-5, 5.3).
const (
	StatusGood           = 0x00
	StatusCheckCondition = 0x02
	StatusBusy           = 0x08
	StatusConflict       = 0x18
	StatusTaskSetFull    = 0x28
	StatusTaskAborted    = 0x40
)

// Sense returns the sense data, at most 96 bytes of it.
func (r *Result) Sense() []byte { return r.sense[:r.senseLen] }

// Err is nil for GOOD, and else a *StatusError.
func (r *Result) Err() error {
	if r.Status == StatusGood {
		return nil
	}
	e := &StatusError{Status: r.Status}
	switch b := r.Sense(); {
	case len(b) >= 4 && b[0]&0x7e == 0x72: // descriptor format
		e.Key, e.ASC, e.ASCQ = b[1]&0xf, b[2], b[3]
	case len(b) >= 14:
		e.Key, e.ASC, e.ASCQ = b[2]&0xf, b[12], b[13]
	}
	return e
}

// StatusError is a command that did not end with GOOD.
type StatusError struct {
	Status         byte
	Key, ASC, ASCQ byte // sense, of CHECK CONDITION
}

func (e *StatusError) Error() string {
	if e.Status == StatusCheckCondition {
		return fmt.Sprintf("command failed with sense %x/%02x/%02x", e.Key, e.ASC, e.ASCQ)
	}
	return fmt.Sprintf("command failed with status %02x", e.Status)
}

// Start begins c, which is sent by Send, or when the reader next waits: within
// Done nothing else is needed. It fails when the session has ended or Depth
// commands are outstanding.
func (s *Session) Start(c *Command) error {
	select {
	case i := <-s.free:
		if err := s.start(&s.table[i], c); err != nil {
			s.free <- i
			return err
		}
		return nil
	default:
		return errDepth
	}
}

// Send sends what Start has begun.
func (s *Session) Send() {
	s.mu.Lock()
	s.out.send()
	s.mu.Unlock()
}

func (s *Session) start(sl *slot, c *Command) error {
	if len(c.In) > 0 && len(c.Out) > 0 {
		return fmt.Errorf("start command %02x: data in both directions", c.CDB[0])
	}
	c.Result, c.Err = Result{}, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	sl.take(c, scsiCommand)
	if s.waiting.size > 0 || !s.windowOpen() {
		s.waiting.push(uint16(sl.tag))
		return nil
	}
	return s.encode(sl)
}

func (s *Session) windowOpen() bool { return int32(s.maxCmdSN-s.cmdSN) >= 0 }

// Do runs one command to its end. The error tells that the session has ended;
// what the target says of the command is in the result. When ctx ends first the
// command is aborted, and the session ended if the target does not answer that.
func (s *Session) Do(ctx context.Context, lun uint8, cdb, out, in []byte) (Result, error) {
	if len(cdb) > 16 {
		return Result{}, fmt.Errorf("run command %02x: CDB of %d bytes", cdb[0], len(cdb))
	}
	var i uint16
	select {
	case i = <-s.free:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	sl := &s.table[i]
	c := &sl.own
	*c = Command{LUN: lun, Out: out, In: in}
	copy(c.CDB[:], cdb)
	if err := s.start(sl, c); err != nil {
		s.free <- i
		return Result{}, err
	}
	s.Send()
	select {
	case <-sl.done:
	case <-ctx.Done():
		s.abort(sl)
	}
	r, err := c.Result, c.Err
	c.Out, c.In = nil, nil
	s.free <- i
	return r, err
}

// abortTime is what a target has to answer an abort.
const abortTime = 5 * time.Second

// abort ends a command whose caller waits no longer, and returns when nothing
// uses its buffers any more.
func (s *Session) abort(sl *slot) {
	if s.withdraw(sl) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), abortTime)
	defer cancel()
	response, err := s.manage(ctx, abortPlace, pdu.TaskAbortTask, sl.own.LUN, sl.tag)
	select {
	case <-sl.done: // answered before the abort came
		return
	default:
	}
	s.mu.Lock()
	// A task that is not known any more was ended by another initiator's reset:
	// its answer, if there were one, would have come before this one.
	gone := response == pdu.TaskComplete || response == pdu.TaskNoSuchTask
	if err == nil && gone && sl.kind != 0 {
		sl.kind, sl.cmd, sl.own.Err = 0, nil, context.Canceled
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.fail(errors.Join(fmt.Errorf("abort command: task management response %d", response), err))
	<-sl.done
}

// withdraw takes back a command that was not sent yet.
func (s *Session) withdraw(sl *slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.waiting.remove(uint16(sl.tag)) {
		return false
	}
	sl.kind, sl.cmd, sl.own.Err = 0, nil, context.Canceled
	return true
}

// ring holds the places of commands that wait for the window, in order.
type ring struct {
	ring        []uint16
	first, size int
}

func (r *ring) push(i uint16) {
	r.ring[(r.first+r.size)%len(r.ring)] = i
	r.size++
}

func (r *ring) pop() uint16 {
	i := r.ring[r.first]
	r.first = (r.first + 1) % len(r.ring)
	r.size--
	return i
}

func (r *ring) remove(i uint16) (found bool) {
	for range r.size {
		if j := r.pop(); j != i {
			r.push(j)
		} else {
			found = true
		}
	}
	return found
}
