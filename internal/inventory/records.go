package inventory

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Mode says what becomes of a machine's disk at its next boot.
type Mode string

const (
	Persistent Mode = "persistent" // the machine keeps its volume
	Ephemeral  Mode = "ephemeral"  // each boot gets a fresh clone
	// Updating is the mode of a volume alone: a clone of an image that becomes
	// the image's next version. See Update.
	Updating Mode = "update"
	// Data is the mode of a volume that belongs to no machine: machines have it
	// beside the disk that they boot from. See Attachment.
	Data Mode = "data"
)

// Machine is a computer that Boötes knows, and what it boots.
type Machine struct {
	Name    string     `json:"name"`             // a host name, lower case; the key
	MACs    []string   `json:"macs"`             // lower-case, colons
	UUID    string     `json:"uuid,omitempty"`   // of the firmware, by a person's word; not unique in the field
	Serial  string     `json:"serial,omitempty"` // likewise
	Address netip.Addr `json:"address,omitzero"` // reserved for it by the DHCP server; zero: from the pool
	Image   string     `json:"image"`            // name:tag, of an image or a tag
	Mode    Mode       `json:"mode"`
	Limit   int64      `json:"limit,omitempty"`  // bytes that a volume made for it may hold of its own; 0: none
	Loader  string     `json:"loader,omitempty"` // file that its firmware is given; "": what fits
	Access  Access     `json:"access,omitzero"`
	Update  *Update    `json:"update,omitempty"` // in place of its own disk, until it is published or cancelled
	// Disks are those beside the one that it boots from, by LUN.
	Disks []Attachment `json:"disks,omitempty"`
	// Hardware is what it has said of itself.
	Hardware Hardware `json:"hardware,omitzero"`

	Created  time.Time `json:"created"`
	Identity Identity  `json:"identity"` // made by AddMachine, kept for life
}

// Identity is what makes a clone of an image this machine and no other.
type Identity struct {
	MachineID string            `json:"machineID"` // 32 hex digits
	HostKeys  map[string]string `json:"hostKeys"`  // file name → OpenSSH text
}

// Update is the making of an image's next version: the machine's boots run from
// Volume, and its own disk waits untouched.
type Update struct {
	Image   string    `json:"image"` // name:tag that the volume is a clone of
	Volume  string    `json:"volume"`
	Started time.Time `json:"started"`
}

// Attachment is a logical unit of a machine's target beside its own disk: a
// data volume or, read-only, an image.
type Attachment struct {
	LUN      uint8  `json:"lun"`
	Volume   string `json:"volume,omitempty"`
	Image    string `json:"image,omitempty"` // name:tag of an image, never of a tag
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// What is the thing attached, in words.
func (a Attachment) What() string {
	if a.Volume != "" {
		return "volume " + a.Volume
	}
	return "image " + a.Image
}

// CDROM is the kind of an image whose content is an optical disc's.
const CDROM = "cdrom"

// Image is an immutable golden disk.
type Image struct {
	Name   string `json:"name"`
	Tag    string `json:"tag"`
	Layer  string `json:"layer"`            // of the storage engine
	Digest string `json:"digest"`           // "sha256:…"; "" until its layer is hashed
	Size   int64  `json:"size"`             // bytes of the disk
	Stored int64  `json:"stored"`           // bytes it takes
	Source string `json:"source,omitempty"` // where it came from, for people
	// BlockSize is what a logical block of its disks has, in bytes; 0: 512.
	BlockSize int64     `json:"blockSize,omitempty"`
	Identity  bool      `json:"identity,omitempty"` // takes its identity from LUN 1
	Kind      string    `json:"kind,omitempty"`     // "" for a disk, or CDROM
	Created   time.Time `json:"created"`
}

// Ref is name:tag, the key of an image.
func (i Image) Ref() string { return i.Name + ":" + i.Tag }

// Tag is a name that points to an image and can be moved to another one.
type Tag struct {
	Ref      string    `json:"ref"`                // name:tag, which no image has; the key
	Image    string    `json:"image"`              // name:tag of an image, never of a tag
	Previous string    `json:"previous,omitempty"` // what it pointed to before; "" at first
	Moved    time.Time `json:"moved"`
}

// Volume is a writable disk: a clone of an image, made for a machine, or one
// that machines are given beside theirs.
type Volume struct {
	ID       string    `json:"id"`      // machine, hyphen, random; of Data its name; the key
	Machine  string    `json:"machine"` // "" of Data
	Ref      string    `json:"ref"`     // what was asked for: an image or a tag
	Image    string    `json:"image"`   // the image that it stands on; "": none
	Digest   string    `json:"digest"`  // of that; "" if it was not hashed yet when it was cloned
	Layer    string    `json:"layer"`   // of that
	Mode     Mode      `json:"mode"`
	Limit    int64     `json:"limit,omitempty"`    // bytes of its own; 0: none
	Boot     string    `json:"boot,omitempty"`     // the boot it was made for; ephemeral only
	Identity bool      `json:"identity,omitempty"` // takes its identity from LUN 1
	Created  time.Time `json:"created"`

	Shareable bool  `json:"shared,omitempty"`    // several machines may have it at once; Data only
	BlockSize int64 `json:"blockSize,omitempty"` // bytes of a logical block; 0: 512
	IOPS      int64 `json:"iops,omitempty"`      // commands a second; 0: no limit
	Bandwidth int64 `json:"bandwidth,omitempty"` // bytes a second; 0: no limit

	// Snapshots says of the volume's snapshots what the storage engine does
	// not know. One that is missing here stands on the volume's image.
	Snapshots map[string]Snapshot `json:"snapshots,omitempty"`
	// Next is there while the disk is being put on another layer.
	Next *Replacement `json:"next,omitempty"`
}

// Replacement is what a record becomes once the disk stands on the layer Base.
type Replacement struct {
	Base      string `json:"base"`
	Image     string `json:"image"` // as in Volume
	Digest    string `json:"digest"`
	Layer     string `json:"layer"`
	Identity  bool   `json:"identity,omitempty"`
	BlockSize int64  `json:"blockSize,omitempty"`
}

// Snapshot is a named earlier state of a volume.
type Snapshot struct {
	Image    string `json:"image"` // that the state stands on, as in Volume
	Digest   string `json:"digest"`
	Layer    string `json:"layer"`
	Identity bool   `json:"identity,omitempty"` // takes its identity from LUN 1
	Clean    bool   `json:"clean,omitempty"`    // no machine had the disk open
}

// At is the volume as it is on record for a snapshot; "" is what it is now.
func (v Volume) At(snapshot string) Volume {
	if s, ok := v.Snapshots[snapshot]; ok {
		v.Image, v.Digest, v.Layer, v.Identity = s.Image, s.Digest, s.Layer, s.Identity
	}
	return v
}

// UnmarshalJSON reads records of before there were tags, too.
func (v *Volume) UnmarshalJSON(b []byte) error {
	type plain Volume
	if err := json.Unmarshal(b, (*plain)(v)); err != nil {
		return err
	}
	v.Ref = cmp.Or(v.Ref, v.Image)
	return nil
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
	Reverse Reverse   `json:"reverse,omitzero"` // zero in boots of before there was mutual CHAP
	Volume  string    `json:"volume,omitempty"` // set once its disk is chosen
	Digest  string    `json:"digest,omitempty"` // of the image below that disk
	Created time.Time `json:"created"`
	Current bool      `json:"current,omitempty"`
	Held    time.Time `json:"held,omitzero"` // since when it is current
}

// Reverse are the name and the secret by which a target proves itself to its
// machine: the other half of mutual CHAP. The secret is another than the
// machine's own.
type Reverse struct {
	User   string `json:"user"`
	Secret string `json:"secret"`
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
