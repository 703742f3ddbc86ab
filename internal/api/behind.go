package api

import (
	"context"
	"log/slog"
	"net/http"

	"bootes.dev/internal/recorder"
)

// Images is what the server asks of the image store.
type Images interface {
	Images(ctx context.Context) ([]Image, error)
	// Image returns an image by its name or by a tag that points to it.
	Image(ctx context.Context, ref string) (Image, error)
	// ImportImage returns when the image is whole and listed, or nothing of
	// it is left. progress may be called from any goroutine, but not after
	// ImportImage has returned; it is cheap.
	ImportImage(ctx context.Context, job Import, progress func(Progress)) (Image, error)
	RemoveImage(ctx context.Context, ref string) error
}

// Tags is what the server asks about tags. A name is an image's or a tag's,
// never both.
type Tags interface {
	Tags(ctx context.Context) ([]Tag, error)
	// SetTag makes or moves a tag.
	SetTag(ctx context.Context, ref, image string) (Tag, error)
	// RemoveTag leaves the image.
	RemoveTag(ctx context.Context, ref string) error
}

// Layers is what the server asks about the chains below images. ref may be a
// tag. progress is as in ImportImage.
type Layers interface {
	// History begins with the image's own layer.
	History(ctx context.Context, ref string) ([]HistoryLine, error)
	// VerifyImage reads all of an image. Wrong contents are its result, not
	// an error.
	VerifyImage(ctx context.Context, ref string, progress func(Progress)) (Verified, error)
	FlattenImage(ctx context.Context, ref string, progress func(Progress)) (Image, error)
	// CheckImage looks into an image for what keeps machines from booting it. card is
	// the PCI vendor and device of their network cards, "8086:100e", or "".
	CheckImage(ctx context.Context, ref, card string) (Checked, error)
}

// Machines is what the server asks of the inventory. The handlers fill in
// Machine.LastBoot.
type Machines interface {
	Machines(ctx context.Context) ([]Machine, error)
	Machine(ctx context.Context, name string) (Machine, error)
	AddMachine(ctx context.Context, m NewMachine) (Machine, error)
	SetMachine(ctx context.Context, name string, c MachineChange) (Machine, error)
	RemoveMachine(ctx context.Context, name string) error
}

// Simulations is what the server asks about simulated machines.
type Simulations interface {
	Simulate(ctx context.Context, n NewSimulation) (Simulation, error)
	Remarks(ctx context.Context, id string) ([]string, error)
	EndSimulation(ctx context.Context, id string) error
}

// WaitingMachines is what the server asks about machines that wait for approval.
type WaitingMachines interface {
	Waiting(ctx context.Context) ([]Waiting, error)
	Approve(ctx context.Context, mac string, a Approval) (Machine, error)
	Dismiss(ctx context.Context, mac string) error
}

// StaticCredentials is what the server asks about machines' static credentials.
type StaticCredentials interface {
	// Credentials leaves the secrets out.
	Credentials(ctx context.Context, machine string) (Credentials, error)
	// NewCredentials replaces those that there are.
	NewCredentials(ctx context.Context, machine string, r CredentialsRequest) (Credentials, error)
	// RevokeCredentials returns when their sessions have ended.
	RevokeCredentials(ctx context.Context, machine string) error
}

// Volumes is what the server asks of the volumes.
type Volumes interface {
	Volumes(ctx context.Context) (VolumeList, error)
	Volume(ctx context.Context, id string) (Volume, error)
	SetVolume(ctx context.Context, id string, c VolumeChange) (Volume, error)
	RemoveVolume(ctx context.Context, id string) error
}

// Snapshots is what the server asks about states of volumes. A volume is
// named by its id.
type Snapshots interface {
	Snapshot(ctx context.Context, volume, name string) (Snapshot, error)
	RemoveSnapshot(ctx context.Context, volume, name string) error
	// Rollback throws away what was written since the last snapshot. All
	// snapshots stay.
	Rollback(ctx context.Context, volume, name string) error
	// CloneVolume makes a disk for a machine that has none of that image.
	CloneVolume(ctx context.Context, from Disk, machine string) (Volume, error)
}

// Disks is what the server asks about volumes as a whole, by their ids.
type Disks interface {
	ResizeVolume(ctx context.Context, id string, size int64) error
	// ResetVolume makes a volume a clone of what its machine's image is now.
	// What was written since the last snapshot is thrown away; snapshots stay.
	ResetVolume(ctx context.Context, id string) error
	FlattenVolume(ctx context.Context, id string, progress func(Progress)) error
	// ForceRemoveVolume removes also a volume that its machine still uses.
	ForceRemoveVolume(ctx context.Context, id string) error
}

// Attachments is what the server asks about disks beside a machine's own.
type Attachments interface {
	// CreateVolume makes a blank data volume.
	CreateVolume(ctx context.Context, n NewVolume) (Volume, error)
	Attach(ctx context.Context, machine string, r AttachRequest) (Attached, error)
	// Detach refuses a machine that runs and may be writing, unless force.
	Detach(ctx context.Context, machine string, lun uint8, force bool) (Attached, error)
}

// Updates is what the server asks to make images of volumes.
type Updates interface {
	Commit(ctx context.Context, volume string, c Commit) (NewImage, error)
	StartUpdate(ctx context.Context, machine, image string) (Update, error)
	// CancelUpdate throws the writable copy away and returns what it was.
	CancelUpdate(ctx context.Context, machine string) (Update, error)
	Publish(ctx context.Context, machine string, p Publish) (NewImage, error)
}

// Streams is what the server asks to read and write whole disks. When a
// context ends, or reading or writing fails, nothing is left on the server.
// progress is as in ImportImage.
type Streams interface {
	// Export returns Exported without File, which the handler fills in.
	Export(ctx context.Context, job Export, progress func(Progress)) (Exported, error)
	// Backup returns BackedUp without Target and Written.
	Backup(ctx context.Context, job Backup, progress func(Progress)) (BackedUp, error)
	// Restore returns Restored without Read.
	Restore(ctx context.Context, job Restore, progress func(Progress)) (Restored, error)
}

// Files is what the server asks about what is on a disk.
type Files interface {
	// Diff compares a volume with the image that it was cloned from.
	Diff(ctx context.Context, d Disk) (Diff, error)
	// List returns what a folder holds, sorted by name; of anything else,
	// itself.
	List(ctx context.Context, f FileRef) (Listing, error)
	// Open opens a regular file, through symlinks. Reading ends with ctx.
	Open(ctx context.Context, f FileRef) (*Content, error)
}

// DHCPOverview is what the server asks about DHCP.
type DHCPOverview interface {
	DHCP(ctx context.Context) ([]DHCPStatus, error)
}

// LoaderOverview is what the server asks about loaders.
type LoaderOverview interface {
	Loaders(ctx context.Context) (Loaders, error)
}

// Leases is what the server asks about addresses that DHCP has given.
type Leases interface {
	Leases(ctx context.Context) ([]Lease, error)
	RemoveLease(ctx context.Context, address string, force bool) error
}

// SpaceOverview is what the server asks about space.
type SpaceOverview interface {
	Space(ctx context.Context) (Space, error)
}

// Boots is what the server asks of the recorder; *recorder.Recorder has it.
type Boots interface {
	Boots(name string) []recorder.Boot
	Newest(name string) (recorder.Boot, bool)
	Latest() []recorder.Boot
	Watch() (events <-chan recorder.Event, stop func())
}

// Packets is what the server asks about packets of machines.
type Packets interface {
	// Packets returns a pcap file of what is kept of any of spans; nil: nothing.
	Packets(spans []Span) []byte
	PacketLines(spans []Span) []PacketLine
}

// Options are what a Server needs. Of those after Log any may be nil: their
// routes answer that this server cannot do it.
type Options struct {
	Images   Images
	Machines Machines
	Volumes  Volumes
	Boots    Boots
	Version  string
	Log      *slog.Logger

	Tags        Tags
	Layers      Layers
	Snapshots   Snapshots
	Disks       Disks
	Attachments Attachments
	Updates     Updates
	Streams     Streams
	Files       Files
	Space       SpaceOverview
	Loaders     LoaderOverview
	DHCP        DHCPOverview
	Leases      Leases
	Sessions    Sessions // nil: nothing is known of them
	Metrics     http.Handler
	Credentials StaticCredentials
	IO          IO
	Traces      Traces
	Waiting     WaitingMachines
	Simulations Simulations
	Packets     Packets
}
