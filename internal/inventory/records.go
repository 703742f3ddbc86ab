package inventory

import (
	"net/netip"
	"slices"
	"time"
)

// Mode says what becomes of a machine's disk at its next boot.
type Mode string

const (
	Persistent Mode = "persistent" // the machine keeps its volume
	Ephemeral  Mode = "ephemeral"  // each boot gets a fresh clone
)

// Machine is a computer that Boötes knows, and what it boots.
type Machine struct {
	Name    string     `json:"name"`             // a host name, lower case; the key
	MACs    []string   `json:"macs"`             // lower-case, colons
	UUID    string     `json:"uuid,omitempty"`   // of the firmware, if known; not unique in the field
	Address netip.Addr `json:"address,omitzero"` // reserved for it by the DHCP server; zero: from the pool
	Image   string     `json:"image"`            // name:tag
	Mode    Mode       `json:"mode"`
	Limit   int64      `json:"limit,omitempty"` // bytes that a volume made for it may hold of its own; 0: none

	Created  time.Time `json:"created"`
	Identity Identity  `json:"identity"` // made by AddMachine, kept for life
}

// Identity is what makes a clone of an image this machine and no other.
type Identity struct {
	MachineID string            `json:"machineID"` // 32 hex digits
	HostKeys  map[string]string `json:"hostKeys"`  // file name → OpenSSH text
}

// Image is an immutable golden disk.
type Image struct {
	Name     string    `json:"name"`
	Tag      string    `json:"tag"`
	Layer    string    `json:"layer"`              // of the storage engine
	Digest   string    `json:"digest"`             // "sha256:…"
	Size     int64     `json:"size"`               // bytes of the disk
	Stored   int64     `json:"stored"`             // bytes it takes
	Source   string    `json:"source,omitempty"`   // where it came from, for people
	Identity bool      `json:"identity,omitempty"` // takes its identity from LUN 1
	Created  time.Time `json:"created"`
}

// Ref is name:tag, the key of an image.
func (i Image) Ref() string { return i.Name + ":" + i.Tag }

// Volume is a writable clone of an image, made for a machine.
type Volume struct {
	ID      string    `json:"id"` // machine, hyphen, random; the key
	Machine string    `json:"machine"`
	Image   string    `json:"image"` // name:tag at creation
	Digest  string    `json:"digest"`
	Layer   string    `json:"layer"`
	Mode    Mode      `json:"mode"`
	Limit   int64     `json:"limit,omitempty"` // bytes of its own; 0: none
	Boot    string    `json:"boot,omitempty"`  // the boot it was made for; ephemeral only
	Created time.Time `json:"created"`
}

// Boot is one attempt of a machine to start, and the credentials minted for
// it. A machine has one current boot, whose login succeeded last, and a few
// pending ones that are newer.
type Boot struct {
	ID      string    `json:"id"`  // machine, hyphen, Seq; also the CHAP name
	Seq     uint64    `json:"seq"` // grows with every boot of the machine
	Machine string    `json:"machine"`
	User    string    `json:"user"`             // CHAP name
	Secret  string    `json:"secret"`           // CHAP secret
	Volume  string    `json:"volume,omitempty"` // set once its disk is chosen
	Digest  string    `json:"digest,omitempty"` // of the image below that disk
	Created time.Time `json:"created"`
	Current bool      `json:"current,omitempty"`
}

// Superseded is what a change of boots left without a use: the boots are gone
// from the inventory, the ephemeral volumes wait to be removed.
type Superseded struct {
	Boots   []Boot
	Volumes []Volume
}

// book is the stored record of one machine's boots and volumes.
type book struct {
	Next    uint64   `json:"next"`              // Seq of the last boot that was opened
	Boots   []Boot   `json:"boots,omitempty"`   // in the order of Seq
	Volumes []string `json:"volumes,omitempty"` // IDs
}

func (b *book) find(id string) *Boot {
	i := slices.IndexFunc(b.Boots, func(x Boot) bool { return x.ID == id })
	if i < 0 {
		return nil
	}
	return &b.Boots[i]
}

func (b *book) current() *Boot {
	i := slices.IndexFunc(b.Boots, func(x Boot) bool { return x.Current })
	if i < 0 {
		return nil
	}
	return &b.Boots[i]
}
