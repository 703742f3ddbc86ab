// Package recorder keeps one timeline per boot: every step from a machine's
// first DISCOVER to its running system, and what went wrong where.
//
// Servers report steps as Events; the recorder files each under its boot,
// keeps the last boots of every machine in memory and on disk, and passes
// events on to whoever watches. It decides nothing.
package recorder

import "time"

// Stage is how far a boot has come. Stages are ordered; see Stage.After.
type Stage string

// The stages of a network boot from an iSCSI disk, in order.
const (
	StageFirmware Stage = "firmware" // the ROM or UEFI asks for an address
	StageLoader   Stage = "loader"   // it fetches iPXE
	StageIPXE     Stage = "ipxe"     // iPXE asks for an address
	StageScript   Stage = "script"   // iPXE has its script: disk and credentials are made
	StageLogin    Stage = "login"    // the disk is open
	StageRead     Stage = "read"     // the first block was read
	StageKernel   Stage = "kernel"   // the operating system's own login took over
	StageRunning  Stage = "running"  // it has written to its disk
)

var stageOrder = map[Stage]int{
	StageFirmware: 1, StageLoader: 2, StageIPXE: 3, StageScript: 4,
	StageLogin: 5, StageRead: 6, StageKernel: 7, StageRunning: 8,
}

// After reports whether s comes later in a boot than t. The empty stage comes
// before all others.
func (s Stage) After(t Stage) bool { return stageOrder[s] > stageOrder[t] }

// Level says whom an event concerns.
type Level string

const (
	Info  Level = "info"  // a step was taken
	Warn  Level = "warn"  // the machine misbehaved or will likely not boot
	Error Level = "error" // the operator must act
)

// Event is one step of one boot.
type Event struct {
	Time    time.Time         `json:"time"`
	Boot    string            `json:"boot,omitempty"`    // boot id; empty: no boot was open
	Machine string            `json:"machine,omitempty"` // name; empty: nobody has added it
	MAC     string            `json:"mac,omitempty"`     // lower case, colons
	Stage   Stage             `json:"stage,omitempty"`   // the stage reached; empty: no progress
	Since   time.Time         `json:"since,omitzero"`    // when that was, if it was before Time
	Level   Level             `json:"level"`
	Text    string            `json:"text"` // one sentence for a person
	Attrs   map[string]string `json:"attrs,omitempty"`

	// A client repeats itself: how often it has done so since, and until when.
	Again int       `json:"again,omitempty"`
	Until time.Time `json:"until,omitzero"`

	Outcome   Outcome    `json:"outcome,omitempty"`   // ends the boot
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"` // why it stalled
	Resolved  string     `json:"resolved,omitempty"`  // kind of a diagnosis that does not hold any more
}

// Subject is whose timeline the event belongs to: the machine's name, or the
// MAC of a machine that nobody has added.
func (e Event) Subject() string {
	if e.Machine != "" {
		return e.Machine
	}
	return e.MAC
}

// Boot is the timeline of one attempt of one machine.
type Boot struct {
	ID      string    `json:"id"`
	Machine string    `json:"machine,omitempty"`
	MAC     string    `json:"mac,omitempty"`
	Started time.Time `json:"started"`
	Stage   Stage     `json:"stage,omitempty"` // the furthest stage reached
	Image   string    `json:"image,omitempty"` // that its disk stands on, once it is chosen
	// LastRan is what ran before this boot, however many were in between.
	LastRan *Ran `json:"last_ran,omitempty"`

	Outcome   Outcome     `json:"outcome,omitempty"`
	Ended     time.Time   `json:"ended,omitzero"`      // when it had its outcome
	Diagnosis *Diagnosis  `json:"diagnosis,omitempty"` // the last, unless it went on after all
	Stages    []StageTime `json:"stages,omitempty"`    // those that it came to, in order
	// Before is the kind of the diagnosis of the machine's boot before, in a glance
	// at one that is under way and has none yet.
	Before string `json:"before,omitempty"`

	Last    time.Time `json:"last"`   // when it was last heard of
	Events  []Event   `json:"events"` // oldest first
	Dropped int       `json:"dropped,omitempty"`
}
