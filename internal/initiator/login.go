package initiator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"bootes.dev/internal/iscsi/pdu"
)

// LoginError is a login that the target refused, or sent elsewhere.
type LoginError struct {
	Status  uint16 // class and detail (RFC 7143, 11.13.5)
	Address string // of a redirection, host:port
}

func (e *LoginError) Error() string {
	if e.Address != "" {
		return fmt.Sprintf("target has moved to %s (login status %04x)", e.Address, e.Status)
	}
	return fmt.Sprintf("target refuses the login with status %04x", e.Status)
}

// Login statuses of a redirection.
const (
	statusMovedTemporarily = 0x0101
	statusMovedPermanently = 0x0102
)

const (
	loginData   = 8192 // most data in a PDU before login has settled more
	maxExchange = 32   // requests of one login
	maxText     = 64 << 10
)

// login negotiates one session on a fresh connection.
type login struct {
	conn net.Conn
	in   *bufio.Reader
	o    *Options

	cmdSN, expStatSN uint32
	requests         int
	got              Negotiated
}

func (l *login) run() error {
	stage, err := l.security()
	if err != nil {
		return err
	}
	if stage == pdu.FullFeature {
		return nil
	}
	return l.operational()
}

// names are the keys of the first request.
func (l *login) names() []byte {
	text := appendKeys(nil, "InitiatorName", l.o.Initiator)
	if l.o.Discovery {
		return appendKeys(text, "SessionType", "Discovery")
	}
	return appendKeys(text, "SessionType", "Normal", "TargetName", l.o.Target)
}

// security passes the security stage, and returns the one that follows.
func (l *login) security() (pdu.Stage, error) {
	req := pdu.LoginRequest{Stage: pdu.SecurityStage, Next: pdu.OperationalStage}
	switch {
	case l.o.User == "":
		req.Transit = true
		_, next, err := l.pass(req, appendKeys(l.names(), "AuthMethod", "None"))
		return next, err
	case l.o.ReverseUser != "":
		return l.chap(req, appendKeys(l.names(), "AuthMethod", "CHAP"))
	}
	return l.chap(req, appendKeys(l.names(), "AuthMethod", "CHAP,None"))
}

func (l *login) chap(req pdu.LoginRequest, text []byte) (pdu.Stage, error) {
	_, keys, err := l.exchange(req, text)
	if err != nil {
		return 0, err
	}
	if keys["AuthMethod"] != "CHAP" {
		if l.o.ReverseUser != "" || keys["AuthMethod"] != "None" {
			return 0, fmt.Errorf("target chose AuthMethod %q", keys["AuthMethod"])
		}
		req.Transit = true
		_, next, err := l.pass(req, nil)
		return next, err
	}
	if _, keys, err = l.exchange(req, appendKeys(nil, "CHAP_A", l.o.Algorithms)); err != nil {
		return 0, err
	}
	var c chap
	if text, err = c.answer(l.o, keys); err != nil {
		return 0, err
	}
	l.got.Algorithm = c.algorithm
	req.Transit = true
	keys, next, err := l.pass(req, text)
	if err != nil {
		return 0, err
	}
	return next, c.check(l.o, keys)
}

func (l *login) operational() error {
	o := l.o
	text := appendKeys(nil, "HeaderDigest", digestOffer(o.HeaderDigest), "DataDigest", digestOffer(o.DataDigest),
		"MaxRecvDataSegmentLength", strconv.Itoa(o.MaxData), "DefaultTime2Wait", "2", "DefaultTime2Retain", "0", "ErrorRecoveryLevel", "0")
	if !o.Discovery {
		text = appendKeys(text, "InitialR2T", yesNo(o.InitialR2T), "ImmediateData", yesNo(o.ImmediateData),
			"MaxBurstLength", strconv.Itoa(o.MaxBurst), "FirstBurstLength", strconv.Itoa(o.FirstBurst),
			"MaxConnections", "1", "MaxOutstandingR2T", "1", "DataPDUInOrder", "Yes", "DataSequenceInOrder", "Yes")
	}
	keys, next, err := l.pass(pdu.LoginRequest{Transit: true, Stage: pdu.OperationalStage, Next: pdu.FullFeature}, text)
	if err != nil {
		return err
	}
	if next != pdu.FullFeature {
		return fmt.Errorf("target goes on to stage %d", next)
	}
	return l.settle(keys)
}

// settle reads the target's answers to our offers.
func (l *login) settle(keys map[string]string) error {
	g, o := &l.got, l.o
	g.HeaderDigest, g.DataDigest = keys["HeaderDigest"] == "CRC32C", keys["DataDigest"] == "CRC32C"
	if g.HeaderDigest != o.HeaderDigest || g.DataDigest != o.DataDigest {
		return fmt.Errorf("target answers digests with %q and %q", keys["HeaderDigest"], keys["DataDigest"])
	}
	g.ImmediateData = keys["ImmediateData"] == "Yes"
	g.InitialR2T = keys["InitialR2T"] != "No"
	for key, to := range map[string]*int{
		"MaxRecvDataSegmentLength": &g.MaxData, "MaxBurstLength": &g.MaxBurst, "FirstBurstLength": &g.FirstBurst,
	} {
		value, ok := keys[key]
		if !ok || o.Discovery && value == "Irrelevant" {
			continue
		}
		n, err := strconv.ParseUint(value, 0, 24)
		if err != nil || n < 512 {
			return fmt.Errorf("target answers %s=%s", key, value)
		}
		*to = int(n)
	}
	g.MaxBurst = min(g.MaxBurst, o.MaxBurst)
	g.FirstBurst = min(g.FirstBurst, o.FirstBurst, g.MaxBurst)
	return nil
}

// pass exchanges text with the T bit until the target moves on, and returns all
// its answers and the stage it goes to.
func (l *login) pass(req pdu.LoginRequest, text []byte) (map[string]string, pdu.Stage, error) {
	all := make(map[string]string)
	for {
		r, keys, err := l.exchange(req, text)
		if err != nil {
			return nil, 0, err
		}
		for k, v := range keys {
			all[k] = v
		}
		if r.Transit {
			l.got.TSIH = r.TSIH
			return all, r.Next, nil
		}
		text = nil
	}
}

// exchange sends one request and gathers its answer, which may come in parts.
func (l *login) exchange(req pdu.LoginRequest, text []byte) (pdu.LoginResponse, map[string]string, error) {
	var all []byte
	for {
		r, part, err := l.once(req, text)
		if err != nil {
			return r, nil, err
		}
		if all = append(all, part...); len(all) > maxText {
			return r, nil, errors.New("target's answer to the login has no end")
		}
		if r.Continue {
			req.Transit, text = false, nil
			continue
		}
		keys, err := parseKeys(all)
		if err == nil && r.Status != 0 {
			return r, nil, &LoginError{Status: r.Status, Address: redirection(r.Status, keys["TargetAddress"])}
		}
		return r, keys, err
	}
}

func (l *login) once(req pdu.LoginRequest, text []byte) (r pdu.LoginResponse, data []byte, err error) {
	if l.requests++; l.requests > maxExchange {
		return r, nil, errors.New("login has no end")
	}
	req.ISID, req.CmdSN, req.ExpStatSN, req.DataLength = l.o.ISID, l.cmdSN, l.expStatSN, len(text)
	b, err := req.AppendBinary(nil)
	if err != nil {
		return r, nil, err
	}
	b = append(append(b, text...), make([]byte, pdu.Pad(len(text)))...)
	if _, err := l.conn.Write(b); err != nil {
		return r, nil, err
	}
	var head [pdu.HeaderSize]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return r, nil, err
	}
	if err := r.UnmarshalBinary(head[:]); err != nil {
		return r, nil, err
	}
	if r.DataLength > loginData || r.ISID != req.ISID && r.Status == 0 { // tgt's refusals name no ISID
		return r, nil, fmt.Errorf("target answers the login of ISID %x with %d bytes for %x", req.ISID, r.DataLength, r.ISID)
	}
	if l.requests > 1 && r.StatSN != l.expStatSN && r.Status == 0 {
		return r, nil, fmt.Errorf("target answers the login with StatSN %d, not %d", r.StatSN, l.expStatSN)
	}
	l.expStatSN = r.StatSN + 1
	data = make([]byte, r.DataLength+pdu.Pad(r.DataLength))
	_, err = io.ReadFull(l.in, data)
	return r, data[:r.DataLength], err
}

// redirection is the host:port of a TargetAddress, without its portal group.
func redirection(status uint16, address string) string {
	if status != statusMovedTemporarily && status != statusMovedPermanently {
		return ""
	}
	return portalOf(address)
}
