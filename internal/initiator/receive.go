package initiator

import (
	"errors"
	"fmt"
	"io"

	"bootes.dev/internal/iscsi/pdu"
)

// ErrProtocol: the target broke a rule of RFC 7143.
var ErrProtocol = errors.New("target broke the protocol")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// receiver is the reader's memory: one of each PDU, so that none is allocated.
type receiver struct {
	head   [pdu.HeaderSize]byte
	ahs    [255 * 4]byte
	small  [pdu.DigestSize]byte
	data   [maxSmall]byte
	header pdu.Header
	in     pdu.DataIn
	resp   pdu.SCSIResponse
	r2t    pdu.R2T
}

// maxSmall is the longest data segment that goes to no buffer of a command:
// sense, text, an echo.
const maxSmall = 64 << 10

// read is the reader.
func (s *Session) read() {
	defer s.wg.Done()
	rx := new(receiver)
	for {
		if err := s.receive(rx); err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *Session) receive(rx *receiver) error {
	if _, err := io.ReadFull(s.in, rx.head[:]); err != nil {
		return fmt.Errorf("read from target: %w", err)
	}
	h := &rx.header
	if err := h.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	ahs := rx.ahs[:h.AHSLength]
	if _, err := io.ReadFull(s.in, ahs); err != nil {
		return err
	}
	if s.got.HeaderDigest {
		if err := s.check(rx, pdu.Digest(0).Add(rx.head[:]).Add(ahs), "header"); err != nil {
			return err
		}
	}
	if h.DataLength > s.o.MaxData {
		return broken("data segment of %d bytes, %d were declared", h.DataLength, s.o.MaxData)
	}
	if h.Opcode == pdu.OpDataIn {
		return s.dataIn(rx)
	}
	if h.DataLength > maxSmall {
		return broken("data segment of %d bytes in opcode %02x", h.DataLength, byte(h.Opcode))
	}
	data := rx.data[:h.DataLength]
	if err := s.data(rx, data); err != nil {
		return err
	}
	return s.dispatch(rx, data)
}

// data reads a whole data segment into p, and its padding and digest.
func (s *Session) data(rx *receiver, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := s.fill(p); err != nil {
		return err
	}
	pad := rx.small[:pdu.Pad(len(p))]
	if _, err := io.ReadFull(s.in, pad); err != nil {
		return err
	}
	if !s.got.DataDigest {
		return nil
	}
	return s.check(rx, pdu.Digest(0).Add(p).Add(pad), "data")
}

func (s *Session) check(rx *receiver, d pdu.Digest, what string) error {
	if _, err := io.ReadFull(s.in, rx.small[:]); err != nil {
		return err
	}
	if !d.Matches(rx.small[:]) {
		return broken("%s digest is wrong", what)
	}
	return nil
}

func (s *Session) dispatch(rx *receiver, data []byte) error {
	switch op := rx.header.Opcode; op {
	case pdu.OpSCSIResponse:
		return s.scsiResponse(rx, data)
	case pdu.OpR2T:
		return s.answerR2T(rx)
	case pdu.OpNopIn:
		return s.nopIn(rx, data)
	case pdu.OpTaskResponse:
		var p pdu.TaskResponse
		err := p.UnmarshalBinary(rx.head[:])
		return s.reply(err, taskRequest, p.ITT, p.Sequence, answer{ok: true, code: p.Response})
	case pdu.OpTextResponse:
		var p pdu.TextResponse
		err := p.UnmarshalBinary(rx.head[:])
		return s.reply(err, textRequest, p.ITT, p.Sequence, answer{ok: true, more: p.TTT, text: append([]byte(nil), data...)})
	case pdu.OpLogoutResponse:
		var p pdu.LogoutResponse
		err := p.UnmarshalBinary(rx.head[:])
		return s.reply(err, logoutRequest, p.ITT, p.Sequence, answer{ok: true, code: p.Response})
	case pdu.OpAsync:
		return s.async(rx)
	case pdu.OpReject:
		return broken("it rejects a PDU for reason %02x: % x", rx.head[2], data)
	default:
		return broken("opcode %02x", byte(op))
	}
}

// advance takes the numbering of a PDU. With status it has used up a StatSN.
func (s *Session) advance(q pdu.Sequence, status bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status {
		if q.StatSN != s.expStatSN {
			return broken("StatSN %d where %d was expected", q.StatSN, s.expStatSN)
		}
		s.expStatSN++
	}
	// Serial arithmetic: an older PDU may come later (RFC 7143, 4.2.2.1).
	if int32(q.MaxCmdSN-s.maxCmdSN) > 0 {
		s.maxCmdSN = q.MaxCmdSN
	}
	for s.waiting.size > 0 && s.windowOpen() {
		if err := s.encode(&s.table[s.waiting.pop()]); err != nil {
			return err
		}
	}
	return nil
}

// find returns the request of kind k whose tag is itt.
func (s *Session) find(itt uint32, k kind) (*slot, error) {
	if i := int(itt & 0xffff); i < len(s.table) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sl := &s.table[i]; sl.tag == itt && sl.kind == k {
			return sl, nil
		}
	}
	return nil, broken("no such task: %08x", itt)
}

// reply ends a request that is no SCSI command.
func (s *Session) reply(err error, k kind, itt uint32, q pdu.Sequence, a answer) error {
	if err != nil {
		return err
	}
	sl, err := s.find(itt, k)
	if err == nil {
		err = s.advance(q, true)
	}
	if err != nil {
		return err
	}
	sl.answer = a
	s.complete(sl)
	return nil
}

func (s *Session) nopIn(rx *receiver, data []byte) error {
	var p pdu.NopIn
	if err := p.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	if p.ITT != pdu.NoTag {
		return s.reply(nil, pingRequest, p.ITT, p.Sequence, answer{ok: true, text: append([]byte(nil), data...)})
	}
	if err := s.advance(p.Sequence, false); err != nil || p.TTT == pdu.NoTag {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.put(&pdu.NopOut{
		Immediate: true, ITT: pdu.NoTag, TTT: p.TTT, LUN: p.LUN, DataLength: len(data), CmdSN: s.cmdSN, ExpStatSN: s.expStatSN,
	}, data, nil)
}

func (s *Session) async(rx *receiver) error {
	var p pdu.AsyncMessage
	if err := p.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	if s.o.Async != nil {
		s.o.Async(p)
	}
	return s.advance(p.Sequence, true)
}

// complete ends a request: whoever waits for it may use its memory again.
func (s *Session) complete(sl *slot) {
	s.mu.Lock()
	for sl.unsent > 0 && s.err == nil { // answered before all its data was sent
		if o := &s.out; !o.writing {
			o.writing = true
			o.swap()
			o.hand()
		}
		s.out.changed.Wait()
	}
	c := sl.cmd
	sl.cmd, sl.kind = nil, 0
	i := uint16(sl.tag)
	s.mu.Unlock()
	if c == nil || c == &sl.own {
		sl.done <- struct{}{}
		return
	}
	s.free <- i
	if c.Done != nil {
		c.Done(c)
	}
}
