package iscsi

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"

	"bootes.dev/internal/iscsi/pdu"
)

// Login is who asks to log in, for what, by what address. Names are in lower
// case; Target is empty in a discovery session.
type Login struct {
	Initiator string
	Target    string
	ISID      [6]byte
	Remote    netip.AddrPort
	Local     netip.AddrPort
}

// fenSystems begins every ISID of iPXE's: an enterprise number (RFC 7143,
// 11.12.5: T=01b), 10019. A random qualifier follows.
var fenSystems = []byte{0x40, 0x00, 0x27, 0x23}

// FromIPXE reports whether iPXE logs in, and not the system that it loads:
// Linux and Windows have ISIDs of other vendors.
func (l Login) FromIPXE() bool { return bytes.HasPrefix(l.ISID[:], fenSystems) }

// port is the SCSI name of the initiator's port (RFC 7143, 4.4.1).
func (l Login) port() string { return l.Initiator + ",i,0x" + hex.EncodeToString(l.ISID[:]) }

// Authority decides who may log in. Its methods are called from many
// goroutines, each under a context that ends with the time allowed for logins.
type Authority interface {
	// Account returns the secret of the CHAP name user. With ok=false the
	// login fails exactly as with a wrong secret, after the same work. It is
	// asked again when the login is done: the secret may be another by then.
	Account(ctx context.Context, req Login, user string) (secret string, ok bool)

	// Admit is asked, in normal sessions, once user has proved its secret.
	// An error that wraps a *Refusal is answered with that status, one that
	// wraps a *Redirect sends the initiator elsewhere, and any other is answered
	// with StatusTargetError.
	Admit(ctx context.Context, req Login, user string) (*Grant, error)

	// Visible lists the names of the targets that user may log in to.
	Visible(ctx context.Context, req Login, user string) []string

	// Refused is told of each login that failed, with the reason in words.
	// The user is empty when the login failed before it was named.
	Refused(req Login, user, reason string)
}

// Prover is an Authority whose targets prove themselves to initiators that ask
// for it: mutual CHAP. An initiator that asks where there is no Prover, or that
// Prove has nothing for, is refused; it would log out anyway.
type Prover interface {
	// Prove returns the name and the secret by which the target proves itself
	// to user. The secret is another than the user's own.
	Prove(ctx context.Context, req Login, user string) (name, secret string, ok bool)
}

// Grant is the permission to hold one target.
type Grant struct {
	// Owner names who holds the target: for Boötes one boot of one machine.
	// Sessions of one owner coexist. A login of another owner fences: the
	// sessions of the former are ended, and all their I/O has returned,
	// before Open is called.
	Owner string

	// Open is called for the owner's first session; later sessions share
	// what it returned.
	Open func(ctx context.Context) (Units, error)
}

// Status is a login status: class in the high byte, detail in the low one
// (RFC 7143, 11.13.5).
type Status uint16

// Login statuses.
const (
	StatusSuccess            Status = 0x0000
	StatusMovedTemporarily   Status = 0x0101
	StatusMovedPermanently   Status = 0x0102
	StatusInitiatorError     Status = 0x0200
	StatusAuthFailure        Status = 0x0201
	StatusForbidden          Status = 0x0202
	StatusNotFound           Status = 0x0203
	StatusTargetRemoved      Status = 0x0204
	StatusBadVersion         Status = 0x0205
	StatusTooManyConnections Status = 0x0206
	StatusMissingParameter   Status = 0x0207
	StatusBadSessionType     Status = 0x0209
	StatusNoSession          Status = 0x020a
	StatusInvalidRequest     Status = 0x020b
	StatusTargetError        Status = 0x0300
	StatusUnavailable        Status = 0x0301
	StatusOutOfResources     Status = 0x0302
)

var statusNames = map[Status]string{
	StatusSuccess:            "success",
	StatusMovedTemporarily:   "target moved temporarily",
	StatusMovedPermanently:   "target moved permanently",
	StatusInitiatorError:     "initiator error",
	StatusAuthFailure:        "authentication failure",
	StatusForbidden:          "authorization failure",
	StatusNotFound:           "target not found",
	StatusTargetRemoved:      "target removed",
	StatusBadVersion:         "unsupported version",
	StatusTooManyConnections: "too many connections",
	StatusMissingParameter:   "missing parameter",
	StatusBadSessionType:     "session type not supported",
	StatusNoSession:          "session does not exist",
	StatusInvalidRequest:     "invalid during login",
	StatusTargetError:        "target error",
	StatusUnavailable:        "service unavailable",
	StatusOutOfResources:     "out of resources",
}

// String is the standard's name for s, in lower case.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status %04x", uint16(s))
}

// Refusal is the error of a login that is answered with a status.
type Refusal struct {
	Status Status
	Reason string // for the operator; never sent
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("refuse login with status %04x: %s", uint16(r.Status), r.Reason)
}

// Redirect is the error of a login that is to be made at another portal. RFC
// 7143 allows it in any login response; it is given only to initiators that
// have proved their secret, so that strangers do not learn where disks are.
type Redirect struct {
	Portal netip.AddrPort
	// Permanent: the initiator may go there first from now on.
	Permanent bool
}

func (r *Redirect) Error() string { return fmt.Sprintf("redirect login to %s", r.Portal) }

func (r *Redirect) status() Status {
	if r.Permanent {
		return StatusMovedPermanently
	}
	return StatusMovedTemporarily
}

// text is the redirecting TargetAddress, which must not name a portal group
// (RFC 7143, 13.8).
func (r *Redirect) text() []byte {
	return pdu.AppendText(nil, "TargetAddress", r.Portal.String())
}

func refuse(status Status, format string, args ...any) error {
	return &Refusal{Status: status, Reason: fmt.Sprintf(format, args...)}
}
