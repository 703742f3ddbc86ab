package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/iscsi/pdu"
)

// Target is one that SendTargets names.
type Target struct {
	Name    string
	Portals []string // host:port
}

// Discover asks the portal at addr for its targets, in a discovery session.
func Discover(ctx context.Context, addr string, o Options) ([]Target, error) {
	o.Discovery, o.Target = true, ""
	s, err := Dial(ctx, addr, o)
	if err != nil {
		return nil, err
	}
	list, err := s.SendTargets(ctx, "All")
	return list, errors.Join(err, s.Logout(ctx))
}

// SendTargets asks for "All" targets, for one by its name or, by "", for the
// session's own (RFC 7143, appendix C).
func (s *Session) SendTargets(ctx context.Context, which string) ([]Target, error) {
	text, err := s.Text(ctx, pdu.AppendText(nil, "SendTargets", which))
	if err != nil {
		return nil, fmt.Errorf("ask for targets: %w", err)
	}
	var list []Target
	for pair := range bytes.SplitSeq(text, []byte{0}) {
		key, value, _ := bytes.Cut(pair, []byte("="))
		switch {
		case string(key) == "TargetName":
			list = append(list, Target{Name: string(value)})
		case string(key) == "TargetAddress" && len(list) > 0:
			t := &list[len(list)-1]
			t.Portals = append(t.Portals, portalOf(string(value)))
		}
	}
	return list, nil
}

// Text sends a text request and returns the whole answer.
func (s *Session) Text(ctx context.Context, text []byte) ([]byte, error) {
	var all []byte
	ttt := uint32(pdu.NoTag)
	for {
		a, err := s.request(ctx, otherPlace, textRequest, text, func(tag uint32) appender {
			return &pdu.TextRequest{
				Immediate: true, Final: true, ITT: tag, TTT: ttt, DataLength: len(text), CmdSN: s.cmdSN, ExpStatSN: s.expStatSN,
			}
		})
		if err != nil {
			return nil, err
		}
		if all = append(all, a.text...); len(all) > maxAnswer {
			return nil, broken("answer to a text request has no end")
		}
		if a.more == pdu.NoTag {
			return all, nil
		}
		ttt, text = a.more, nil
	}
}

// maxAnswer is the longest text taken, in bytes: a thousand targets.
const maxAnswer = 1 << 20
