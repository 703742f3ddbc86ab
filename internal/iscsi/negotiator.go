package iscsi

import (
	"context"
	"strings"

	"bootes.dev/internal/iscsi/pdu"
)

// negotiator is the state machine of a login (RFC 7143, 6.3), without I/O.
//
//	          names, AuthMethod      CHAP_A       CHAP_N CHAP_R
//	security ──────────────────▶ … ─────────▶ … ─────────────▶ authenticated
//	                                                             │ T bit
//	                                   full feature ◀── operational: keys
//
// Every login must authenticate, so one that begins with operational
// negotiation, or offers no CHAP, is refused.
type negotiator struct {
	authority Authority

	req       Login
	params    params
	discovery bool
	user      string
	secret    string // that user has proved
	tsih      uint16 // of the session that the connection is to join; 0: a new one
	cid       uint16

	begun         bool
	stage         pdu.Stage
	chap          *chap
	chosen        bool // AuthMethod=CHAP was agreed
	authenticated bool
	mutual        bool // we have proved ourselves, too
	declared      bool // our own keys were sent
	seen          map[string]bool
}

// answer is what a login request is answered with.
type answer struct {
	text    []byte
	transit bool
	next    pdu.Stage
}

func (a *answer) add(key, value string) { a.text = pdu.AppendText(a.text, key, value) }

// step takes one complete login request. done means that answer, when sent,
// enters full feature phase.
func (n *negotiator) step(ctx context.Context, req *pdu.LoginRequest, text []byte) (a answer, done bool, err error) {
	pairs, err := pdu.ParseText(text)
	if err != nil {
		return a, false, err
	}
	if err := n.check(req); err != nil {
		return a, false, err
	}
	if !n.begun {
		if err := n.begin(req, pairs); err != nil {
			return a, false, err
		}
		if !n.discovery {
			a.add("TargetPortalGroupTag", portalGroup)
		}
	}
	if err := n.keys(ctx, pairs, &a); err != nil {
		return a, false, err
	}
	if err := n.progress(req, pairs, &a); err != nil {
		return a, false, err
	}
	return a, a.transit && a.next == pdu.FullFeature, nil
}

func (n *negotiator) check(req *pdu.LoginRequest) error {
	if req.VersionMin > 0 {
		return refuse(StatusBadVersion, "initiator wants protocol version %d or later", req.VersionMin)
	}
	if req.Stage != pdu.SecurityStage && req.Stage != pdu.OperationalStage {
		return refuse(StatusInvalidRequest, "login in stage %d", req.Stage)
	}
	if n.begun && (req.Stage != n.stage || req.ISID != n.req.ISID || req.TSIH != n.tsih || req.CID != n.cid) {
		return refuse(StatusInvalidRequest, "login request out of its stage, or of another connection than the first one")
	}
	if req.Transit && (req.Next <= req.Stage || req.Next != pdu.OperationalStage && req.Next != pdu.FullFeature) {
		return refuse(StatusInvalidRequest, "login from stage %d to %d", req.Stage, req.Next)
	}
	if req.Stage == pdu.OperationalStage && !n.authenticated {
		return refuse(StatusAuthFailure, "initiator did not offer CHAP")
	}
	return nil
}

// begin takes the names from the first request.
func (n *negotiator) begin(req *pdu.LoginRequest, pairs []pdu.KeyValue) error {
	n.begun, n.stage, n.req.ISID, n.seen = true, req.Stage, req.ISID, make(map[string]bool)
	n.tsih, n.cid = req.TSIH, req.CID
	for _, p := range pairs {
		switch p.Key {
		case "InitiatorName":
			n.req.Initiator = strings.ToLower(p.Value)
		case "TargetName":
			n.req.Target = strings.ToLower(p.Value)
		case "SessionType":
			switch p.Value {
			case "Discovery":
				n.discovery = true
			case "Normal":
			default:
				return refuse(StatusBadSessionType, "session type %.32q", p.Value)
			}
		}
	}
	if !validName(n.req.Initiator) {
		return refuse(StatusMissingParameter, "initiator gave no valid name")
	}
	if n.discovery {
		n.req.Target = ""
	} else if !validName(n.req.Target) {
		return refuse(StatusMissingParameter, "initiator named no target")
	}
	return nil
}

// validName: an iSCSI name has at most 223 bytes (RFC 7143, 4.2.7); what is
// not printable must not reach logs and files.
func validName(name string) bool {
	if name == "" || len(name) > 223 {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// keys answers each key of a request.
func (n *negotiator) keys(ctx context.Context, pairs []pdu.KeyValue, a *answer) error {
	for _, p := range pairs {
		if n.seen[p.Key] {
			return refuse(StatusInitiatorError, "key %q negotiated twice", p.Key)
		}
		if len(n.seen) >= 64 {
			return refuse(StatusInitiatorError, "too many keys")
		}
		n.seen[p.Key] = true
		switch p.Key {
		case "InitiatorName", "TargetName", "SessionType", "InitiatorAlias":
		case "AuthMethod", "CHAP_A", "CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C":
		default:
			if v := n.params.negotiate(p.Key, p.Value, n.discovery); v != "" {
				a.add(p.Key, v)
			}
		}
	}
	return n.security(ctx, pairs, a)
}

// progress moves to the next stage if the initiator wants to and may.
func (n *negotiator) progress(req *pdu.LoginRequest, pairs []pdu.KeyValue, a *answer) error {
	if n.stage == pdu.SecurityStage && !n.authenticated {
		if req.Transit && !n.chosen {
			return refuse(StatusAuthFailure, "initiator did not offer CHAP")
		}
		return nil
	}
	// Declared in the operational stage, or on the way past it.
	if !n.declared && (n.stage == pdu.OperationalStage || req.Transit && req.Next == pdu.FullFeature) {
		n.declared = true
		a.add("MaxRecvDataSegmentLength", itoa(ourMaxData))
	}
	if req.Transit {
		a.transit, a.next, n.stage = true, req.Next, req.Next
		if req.Next == pdu.FullFeature {
			n.params.settle()
		}
	}
	return nil
}
