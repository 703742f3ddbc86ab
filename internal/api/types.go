package api

import (
	"os"
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
	Updating   = "update"     // of a volume: the writable copy of an image that an Update is made on
	Data       = "data"       // of a volume: one that machines have beside their own disk
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
	Stored   int64     `json:"stored" doc:"bytes that it takes on the server, beyond the image that it is built on"`
	Own      int64     `json:"own" doc:"bytes of blocks that it has beyond the image that it is built on"`
	Parent   string    `json:"parent_image,omitempty" doc:"name:tag of the image it is built on, if on one"`
	Depth    int       `json:"depth" doc:"layers that it is read through"`
	Tags     []string  `json:"tags" doc:"that point to it"`
	Hashed   bool      `json:"hashed" doc:"false: its digest is still being made"`
	Source   string    `json:"source,omitempty" doc:"where it came from"`
	Identity bool      `json:"identity" doc:"takes host name, machine-id and host keys from its second disk"`
	Kind     string    `json:"kind,omitempty" enum:"disk,cdrom" doc:"cdrom: the content of an optical disc, which machines get as a drive beside their disk"`
	Created  time.Time `json:"created"`
}

// Import is a disk image to take in.
type Import struct {
	Ref      string   // name:tag
	Path     string   // what to open
	File     *os.File // the same, if it is open; else nil
	Source   string   // what the user calls it; for messages and Image.Source
	Base     string   // image to store only the difference to, or empty
	Identity bool
	CDROM    bool
}

// ImportRequest is the body of POST /v1/images.
type ImportRequest struct {
	Ref      string `json:"ref" minLength:"1" doc:"name:tag"`
	Source   string `json:"source" minLength:"1" doc:"path of the file; opened by the server unless passed is true"`
	Passed   bool   `json:"passed,omitempty" doc:"the file's descriptor comes with the request"`
	Base     string `json:"base,omitempty" doc:"name:tag of an image: only blocks that differ from it are stored"`
	Identity bool   `json:"identity,omitempty"`
	CDROM    bool   `json:"cdrom,omitempty" doc:"it is the image of an optical disc: machines get it as a CD-ROM drive, and boot nothing of it"`
}

// Progress is how far a long task has come.
type Progress struct {
	Step  string `json:"step,omitempty" doc:"what is being done"`
	Done  int64  `json:"done" doc:"bytes"`
	Total int64  `json:"total" doc:"bytes; 0: not known"`
}

// Line is one line of a long task's stream: one of its fields is set.
type Line[T any] struct {
	Progress *Progress `json:"progress,omitempty"`
	Result   *T        `json:"result,omitempty"`
	Error    *Error    `json:"error,omitempty"`
}

// Machine is a computer that boots from here.
type Machine struct {
	Name      string    `json:"name"`
	MACs      []string  `json:"macs"`
	UUID      string    `json:"uuid,omitempty" doc:"of the system, by a person's word"`
	Serial    string    `json:"serial,omitempty" doc:"of the system, by a person's word"`
	Address   string    `json:"address,omitempty" doc:"IPv4 address that the DHCP server keeps for it; none: from the pool"`
	Image     string    `json:"image" doc:"name:tag of an image, or a tag"`
	ImageGone bool      `json:"image_gone,omitempty" doc:"no image and no tag has that name any more: the machine boots the disk that it has, which stands alone"`
	Newer     string    `json:"newer,omitempty" doc:"image that its tag points to now, if its disk is of another"`
	Mode      string    `json:"mode" enum:"persistent,ephemeral"`
	Limit     int64     `json:"limit" doc:"bytes its disk may hold beyond the image; 0: no limit"`
	Loader    string    `json:"loader,omitempty" doc:"file that its firmware is given; none: what fits"`
	MachineID string    `json:"machine_id,omitempty"`
	HostKeys  []string  `json:"host_keys,omitempty" doc:"public SSH host keys"`
	Created   time.Time `json:"created"`
	LastBoot  *LastBoot `json:"last_boot,omitempty"`
	Access    *Access   `json:"access,omitempty" doc:"rules for who may open its disks, if there are any"`
	Update    *Update   `json:"update,omitempty" doc:"the update of an image that it boots instead of its own disk"`

	Disks    []Attachment `json:"disks,omitempty" doc:"that it has beside its own, by LUN"`
	Hardware *Hardware    `json:"hardware,omitempty" doc:"what it has said of itself, if anything"`
}

// LastBoot is the end of a machine's newest timeline.
type LastBoot struct {
	ID      string           `json:"id"`
	Started time.Time        `json:"started"`
	Stage   recorder.Stage   `json:"stage" doc:"the furthest reached"`
	Outcome recorder.Outcome `json:"outcome,omitempty" enum:"running,stalled,replaced,refused" doc:"none: it is under way"`
	Time    time.Time        `json:"time" doc:"of the last event"`
	Level   recorder.Level   `json:"level" doc:"of the last event"`
	Text    string           `json:"text" doc:"of the last event"`
}

// NewMachine is the body of POST /v1/machines.
type NewMachine struct {
	Name    string   `json:"name" minLength:"1"`
	MACs    []string `json:"macs" minItems:"1"`
	UUID    string   `json:"uuid,omitempty"`
	Serial  string   `json:"serial,omitempty"`
	Image   string   `json:"image" minLength:"1" doc:"name:tag"`
	Address string   `json:"address,omitempty" doc:"IPv4 address to keep for it"`
	Mode    string   `json:"mode,omitempty" enum:"persistent,ephemeral" default:"persistent"`
	Limit   *int64   `json:"limit,omitempty" minimum:"0" doc:"bytes, 0 for none; default: the server's limits.volume"`
	Loader  string   `json:"loader,omitempty" doc:"file of the folders of loaders that its firmware is given; default: what fits"`

	Access *AccessChange `json:"access,omitempty" doc:"rules for who may open its disks; default: none"`
}

// MachineChange is the body of PATCH /v1/machines/{name}: what is not given
// stays.
type MachineChange struct {
	MACs    []string `json:"macs,omitempty" doc:"replace all of the machine's MACs"`
	UUID    *string  `json:"uuid,omitempty" doc:"empty: what the machine says at its next boot"`
	Serial  *string  `json:"serial,omitempty" doc:"likewise"`
	Address *string  `json:"address,omitempty" doc:"IPv4 address to keep for it; empty: none"`
	Image   *string  `json:"image,omitempty" doc:"from the next boot on"`
	Mode    *string  `json:"mode,omitempty" enum:"persistent,ephemeral"`
	Limit   *int64   `json:"limit,omitempty" minimum:"0"`
	Loader  *string  `json:"loader,omitempty" doc:"file of the folders of loaders that its firmware is given; empty: what fits"`

	Access *AccessChange `json:"access,omitempty" doc:"rules for who may open its disks, from the next login on"`
}
