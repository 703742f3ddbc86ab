package iscsi

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// nopOut answers a ping, with its data as far as the initiator takes it.
func (s *session) nopOut() error {
	var p pdu.NopOut
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	var data []byte
	if p.DataLength > 0 {
		data = make([]byte, p.DataLength)
		if err := s.in.data(data); err != nil {
			return err
		}
	}
	if err := s.in.end(); err != nil {
		return err
	}
	o := &s.out
	if !o.begin() {
		return nil
	}
	if !p.Immediate {
		o.credit()
	}
	if p.ITT == pdu.NoTag { // an answer to a ping of ours, or none wanted
		o.commit(false)
		return nil
	}
	data = data[:min(len(data), int(s.maxData.Load()))]
	in := pdu.NopIn{DataLength: len(data), LUN: p.LUN, ITT: p.ITT, TTT: pdu.NoTag, Sequence: o.sequence(true)}
	o.fill.head, _ = in.AppendBinary(o.fill.head)
	o.put(data, nil)
	o.commit(false)
	return nil
}

// logout ends the session, after its answer was sent.
func (s *session) logout() error {
	var p pdu.LogoutRequest
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	if err := s.in.end(); err != nil {
		return err
	}
	response := byte(pdu.LogoutDone)
	if p.Reason == pdu.LogoutRecovery {
		response = pdu.LogoutNoRecovery
	} else {
		s.settleAffairs()
	}
	o := &s.out
	if !o.begin() {
		return errLogout
	}
	out := pdu.LogoutResponse{Response: response, ITT: p.ITT, Sequence: o.sequence(true), Time2Wait: 2}
	o.fill.head, _ = out.AppendBinary(o.fill.head)
	o.put(nil, nil)
	o.commit(true)
	if p.Reason == pdu.LogoutRecovery {
		return nil
	}
	return errLogout
}

// settleAffairs ends what the session does and holds before its logout is
// answered: who is told of that may take what it had reserved.
func (s *session) settleAffairs() {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.reason = true, errLogout.Error()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if s.nexus != nil {
		s.nexus.Leave()
	}
}

const (
	maxText = 32 << 10 // of one text request, over all its PDUs
	textTag = 1        // TTT of every text response: there is one exchange at a time
)

// textRequest serves discovery (SendTargets, RFC 7143, appendix C) and lets
// the initiator declare another MaxRecvDataSegmentLength.
func (s *session) textRequest() error {
	var p pdu.TextRequest
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	if p.TTT == pdu.NoTag {
		s.text, s.answer = nil, nil // a new request, whatever is left of the last one
	}
	if len(s.text)+p.DataLength > maxText {
		return protocolError("text request of more than %d bytes", maxText)
	}
	part := make([]byte, p.DataLength)
	if err := s.in.data(part); err != nil {
		return err
	}
	if err := s.in.end(); err != nil {
		return err
	}
	if p.Continue && p.Final || p.TTT != pdu.NoTag && p.TTT != textTag {
		s.rejectRead(pdu.RejectProtocolError, !p.Immediate)
		return nil
	}
	s.text = append(s.text, part...)
	if !p.Continue && len(s.text) > 0 {
		pairs, err := pdu.ParseText(s.text)
		s.text = nil
		if err != nil {
			return protocolError("text request: %v", err)
		}
		s.answer = s.answerText(pairs)
	}
	s.respondText(&p)
	return nil
}

func (s *session) respondText(p *pdu.TextRequest) {
	o := &s.out
	if !o.begin() {
		return
	}
	if !p.Immediate {
		o.credit()
	}
	n := min(len(s.answer), int(s.maxData.Load()))
	part := s.answer[:n:n]
	s.answer = s.answer[n:]
	r := pdu.TextResponse{
		Final: len(s.answer) == 0 && p.Final, Continue: len(s.answer) > 0,
		DataLength: n, LUN: p.LUN, ITT: p.ITT, TTT: pdu.NoTag, Sequence: o.sequence(true),
	}
	if !r.Final {
		r.TTT = textTag
	}
	o.fill.head, _ = r.AppendBinary(o.fill.head)
	o.put(part, nil)
	o.commit(false)
}

func (s *session) answerText(pairs []pdu.KeyValue) []byte {
	var b []byte
	for _, kv := range pairs {
		switch kv.Key {
		case "SendTargets":
			// RFC 7143, appendix C: "All" is for discovery sessions, nothing for others.
			if s.discovery && kv.Value == "" || !s.discovery && kv.Value == "All" {
				b = pdu.AppendText(b, kv.Key, answerReject)
			}
			for _, name := range s.visible(strings.ToLower(kv.Value)) {
				b = pdu.AppendText(b, "TargetName", name)
				b = pdu.AppendText(b, "TargetAddress", portal(s.info.Local))
			}
		case "MaxRecvDataSegmentLength":
			if n, ok := number(kv.Value, 512, 1<<24-1); ok {
				s.maxData.Store(int64(n))
			} else {
				b = pdu.AppendText(b, kv.Key, answerReject)
			}
		case "InitiatorAlias":
		default:
			b = pdu.AppendText(b, kv.Key, refusedKey(kv))
		}
	}
	return b
}

// refusedKey answers a key that may not come in full feature phase: Reject if
// it is one that is negotiated during login.
func refusedKey(kv pdu.KeyValue) string {
	p := defaultParams()
	if p.negotiate(kv.Key, kv.Value, false) == answerNotUnderstood {
		return answerNotUnderstood
	}
	return answerReject
}

// visible lists the targets that SendTargets=which names, in lower case: all or
// one in a discovery session, the session's own in a normal one.
func (s *session) visible(which string) []string {
	if !s.discovery {
		if which == "" || which == s.info.Target {
			return []string{s.info.Target}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.srv.o.LoginTimeout)
	defer cancel()
	names := s.srv.o.Authority.Visible(ctx, s.info.Login, s.info.User)
	if which == "all" {
		return names
	}
	for _, n := range names {
		if n == which {
			return []string{n}
		}
	}
	return nil
}

// portal is an address as TargetAddress has it.
func portal(a netip.AddrPort) string { return a.String() + "," + portalGroup }

// idleDiscovery ends a discovery session that its initiator forgot.
const idleDiscovery = 5 * time.Minute
