package capture

import (
	"fmt"
	"strings"

	"bootes.dev/internal/iscsi/pdu"
)

var loginStages = map[pdu.Stage]string{
	pdu.SecurityStage: "security", pdu.OperationalStage: "operational", pdu.FullFeature: "full feature",
}

// loginStatus names what a login may end with (RFC 7143, 11.13.5).
var loginStatus = map[uint16]string{
	0x0101: "moved", 0x0102: "moved for good", 0x0200: "initiator error", 0x0201: "authentication failed", 0x0202: "forbidden",
	0x0203: "no such target", 0x0204: "target removed", 0x0205: "unsupported version", 0x0206: "too many connections",
	0x0207: "missing parameter", 0x0209: "unsupported session type", 0x020a: "no such session", 0x020b: "invalid request",
	0x0300: "target error", 0x0301: "service unavailable", 0x0302: "out of resources",
}

// told are the keys of logins that are told of, in this order.
var told = []string{
	"SessionType", "InitiatorName", "TargetName", "AuthMethod", "CHAP_A", "CHAP_N", "CHAP_R", "TargetAddress", "SendTargets",
}

// describeMessage tells of an iSCSI message that was kept.
func describeMessage(b []byte) string {
	if messageLen(b) == 0 {
		return sentence("text", keys(b))
	}
	text := keys(b[pduLen:])
	switch pdu.Opcode(b[0] & 0x3f) {
	case pdu.OpLoginRequest:
		var p pdu.LoginRequest
		if p.UnmarshalBinary(b) != nil {
			break
		}
		return sentence("login request", stages(p.Stage, p.Next, p.Transit), text)
	case pdu.OpLoginResponse:
		var p pdu.LoginResponse
		if p.UnmarshalBinary(b) != nil {
			break
		}
		if p.Status != 0 {
			return sentence(fmt.Sprintf("login refused: %04x %s", p.Status, loginStatus[p.Status]), text)
		}
		return sentence("login response", stages(p.Stage, p.Next, p.Transit), text)
	case pdu.OpLogoutRequest:
		return "logout request"
	case pdu.OpLogoutResponse:
		return fmt.Sprintf("logout response %d", b[2])
	case pdu.OpTextRequest:
		return sentence("text request", text)
	case pdu.OpTextResponse:
		return sentence("text response", text)
	case pdu.OpReject:
		return fmt.Sprintf("reject, reason %02x", b[2])
	case pdu.OpAsync:
		return fmt.Sprintf("asynchronous message, event %d", b[36])
	}
	return "malformed message"
}

func stages(from, to pdu.Stage, transit bool) string {
	if !transit {
		return loginStages[from] + " stage"
	}
	return loginStages[from] + " stage, to " + loginStages[to]
}

// keys are those of a text that matter; of a proof, that there is one.
func keys(text []byte) string {
	all, err := pdu.ParseText(text)
	if err != nil {
		return "malformed text"
	}
	var found []string
	for _, name := range told {
		for _, p := range all {
			switch {
			case p.Key != name:
			case name == "CHAP_R":
				found = append(found, "proof by CHAP")
			default:
				found = append(found, p.Key+"="+p.Value)
			}
		}
	}
	return strings.Join(found, ", ")
}
