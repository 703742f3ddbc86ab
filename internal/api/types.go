package api

import (
	"time"

	"bootes.dev/internal/recorder"
)

// Event is one step of one boot.
type Event = recorder.Event

// Boot is the timeline of one attempt of one machine.
type Boot = recorder.Boot

// Modes of a machine's disk.
const (
	Persistent = "persistent" // kept from boot to boot
	Ephemeral  = "ephemeral"  // a fresh clone at each boot
)

// Status says who answers.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// Image is an immutable golden disk.
type Image struct {
	Ref      string    `json:"ref" doc:"name:tag"`
	Digest   string    `json:"digest" doc:"of its contents; sha256:…"`
	Layer    string    `json:"layer" doc:"id of the layer that holds it"`
	Size     int64     `json:"size" doc:"of the disk, in bytes"`
	Stored   int64     `json:"stored" doc:"bytes it takes on the server"`
	Source   string    `json:"source,omitempty" doc:"where it came from"`
	Identity bool      `json:"identity" doc:"takes host name, machine-id and host keys from its second disk"`
	Created  time.Time `json:"created"`
}

// Import is a disk image to take in.
type Import struct {
	Ref      string // name:tag
	Path     string // what to open
	Source   string // what the user calls it; for messages and Image.Source
	Identity bool
}

// ImportRequest is the body of POST /v1/images.
type ImportRequest struct {
	Ref      string `json:"ref" minLength:"1" doc:"name:tag"`
	Source   string `json:"source" minLength:"1" doc:"path of the file; opened by the server unless passed is true"`
	Passed   bool   `json:"passed,omitempty" doc:"the file's descriptor comes with the request"`
	Identity bool   `json:"identity,omitempty"`
}

// Progress is how far a long task has come.
type Progress struct {
	Step  string `json:"step,omitempty" doc:"what is being done"`
	Done  int64  `json:"done" doc:"bytes"`
	Total int64  `json:"total" doc:"bytes; 0: not known"`
}

// ImportLine is one line of an import's stream: one of its fields is set.
type ImportLine struct {
	Progress *Progress `json:"progress,omitempty"`
	Image    *Image    `json:"image,omitempty"`
	Error    *Error    `json:"error,omitempty"`
}

// Machine is a computer that boots from here.
type Machine struct {
	Name      string    `json:"name"`
	MACs      []string  `json:"macs"`
	UUID      string    `json:"uuid,omitempty" doc:"of the system, if known"`
	Address   string    `json:"address,omitempty" doc:"IPv4 address that the DHCP server keeps for it; none: from the pool"`
	Image     string    `json:"image" doc:"name:tag"`
	Mode      string    `json:"mode" enum:"persistent,ephemeral"`
	Limit     int64     `json:"limit" doc:"bytes its disk may hold beyond the image; 0: no limit"`
	MachineID string    `json:"machine_id,omitempty"`
	HostKeys  []string  `json:"host_keys,omitempty" doc:"public SSH host keys"`
	Created   time.Time `json:"created"`
	LastBoot  *LastBoot `json:"last_boot,omitempty"`
}

// LastBoot is the end of a machine's newest timeline.
type LastBoot struct {
	ID      string         `json:"id"`
	Started time.Time      `json:"started"`
	Stage   recorder.Stage `json:"stage" doc:"the furthest reached"`
	Time    time.Time      `json:"time" doc:"of the last event"`
	Level   recorder.Level `json:"level" doc:"of the last event"`
	Text    string         `json:"text" doc:"of the last event"`
}

// NewMachine is the body of POST /v1/machines.
type NewMachine struct {
	Name    string   `json:"name" minLength:"1"`
	MACs    []string `json:"macs" minItems:"1"`
	UUID    string   `json:"uuid,omitempty"`
	Image   string   `json:"image" minLength:"1" doc:"name:tag"`
	Address string   `json:"address,omitempty" doc:"IPv4 address to keep for it"`
	Mode    string   `json:"mode,omitempty" enum:"persistent,ephemeral" default:"persistent"`
	Limit   *int64   `json:"limit,omitempty" minimum:"0" doc:"bytes, 0 for none; default: the server's limits.volume"`
}

// MachineChange is the body of PATCH /v1/machines/{name}: what is not given
// stays.
type MachineChange struct {
	MACs    []string `json:"macs,omitempty" doc:"replace all of the machine's MACs"`
	UUID    *string  `json:"uuid,omitempty"`
	Address *string  `json:"address,omitempty" doc:"IPv4 address to keep for it; empty: none"`
	Image   *string  `json:"image,omitempty" doc:"from the next boot on"`
	Mode    *string  `json:"mode,omitempty" enum:"persistent,ephemeral"`
	Limit   *int64   `json:"limit,omitempty" minimum:"0"`
}

// Volume is a machine's writable clone of an image.
type Volume struct {
	ID           string    `json:"id"`
	Machine      string    `json:"machine"`
	Image        string    `json:"image" doc:"name:tag it was cloned from"`
	Digest       string    `json:"digest" doc:"of that image"`
	Mode         string    `json:"mode" enum:"persistent,ephemeral"`
	Size         int64     `json:"size" doc:"of the disk, in bytes"`
	Stored       int64     `json:"stored" doc:"bytes of its own"`
	Limit        int64     `json:"limit" doc:"of stored; 0: no limit"`
	Open         bool      `json:"open" doc:"a machine uses it now"`
	ReadBytes    int64     `json:"read_bytes" doc:"read by the boot that uses it now"`
	WrittenBytes int64     `json:"written_bytes" doc:"written by the boot that uses it now"`
	Boot         string    `json:"boot,omitempty" doc:"id of the boot it was made for, if ephemeral"`
	Created      time.Time `json:"created"`
}

// VolumeList is all volumes.
type VolumeList struct {
	Volumes []Volume `json:"volumes"`
	Freeing int64    `json:"freeing" doc:"bytes of removed volumes that are still being freed"`
}

// VolumeChange is the body of PATCH /v1/volumes/{id}.
type VolumeChange struct {
	Limit *int64 `json:"limit,omitempty" minimum:"0" doc:"bytes; 0: no limit"`
}
