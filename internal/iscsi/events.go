package iscsi

import "time"

// EventKind says what happened to a session.
type EventKind int

// What can happen to a session. FirstRead and FirstWrite come at most once
// per session; Ended comes last, after Fenced where a newer owner took over.
const (
	LoggedIn   EventKind = iota
	HandedOver           // logged in beside a running session of the same owner: iPXE to kernel
	FirstRead
	FirstWrite
	FellSilent // a ping was not answered for PingInterval
	HeardAgain // after that
	Fenced     // a login of another owner, named in Reason, is ending the session
	Ended
)

var eventNames = [...]string{"logged in", "handed over", "first read", "first write", "fell silent", "heard again", "fenced", "ended"}

func (k EventKind) String() string { return eventNames[k] }

// ReasonLogout is the reason of a session's end that its initiator asked for.
const ReasonLogout = "initiator logged out"

// ReasonSilent is the reason of the end of a session whose initiator has not been
// heard for PingInterval and maxUnanswered times that.
const ReasonSilent = "the initiator answers no ping"

// ReasonUntaken is the reason of the end of a session whose initiator took nothing
// of what was sent to it for WriteTimeout, or until TCP gave it up.
const ReasonUntaken = "the initiator took nothing of what was sent to it"

// Event is one step in the life of a normal session.
type Event struct {
	Kind    EventKind
	Session SessionInfo
	Reason  string
	// Of FellSilent, and if the reason is ReasonSilent: for how long it had not been heard, and since its
	// first ping that was not answered.
	Silent, Unanswered time.Duration
}

// Events hears of sessions. It is called on the goroutine that serves them,
// so it must not block. Of I/O only what was slow is reported.
type Events interface {
	SessionEvent(Event)
	SlowIO(SlowIO)
}

// SessionInfo describes a session. Usage is that of its owner on the target:
// the sum over all sessions that held the same units.
type SessionInfo struct {
	Login
	Owner string
	User  string
	// Mutual: the target has proved itself to the initiator, which had asked.
	Mutual bool
	TSIH   uint16
	Since  time.Time
	Usage  Usage
}

// Usage counts what was transferred, in commands and bytes.
type Usage struct {
	Reads, ReadBytes     uint64
	Writes, WrittenBytes uint64
}

type noEvents struct{}

func (noEvents) SessionEvent(Event) {}
func (noEvents) SlowIO(SlowIO)      {}
