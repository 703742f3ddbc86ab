package api

import "time"

// Volume is a writable disk: a machine's clone of an image, or a data volume.
type Volume struct {
	ID           string     `json:"id"`
	Machine      string     `json:"machine" doc:"whose disk it is; empty: a data volume"`
	Ref          string     `json:"ref" doc:"what the machine asked for: an image or a tag"`
	Image        string     `json:"image" doc:"name:tag of the image that it stands on; empty: none, it was flattened or restored whole"`
	Newer        string     `json:"newer,omitempty" doc:"image that ref means now, if another"`
	Digest       string     `json:"digest" doc:"of that image; empty: none, or not known when it was cloned"`
	Mode         string     `json:"mode" enum:"persistent,ephemeral,update,data"`
	Size         int64      `json:"size" doc:"of the disk, in bytes"`
	Stored       int64      `json:"stored" doc:"bytes it takes on the server"`
	Own          int64      `json:"own" doc:"bytes of blocks that it has beyond the state that since names"`
	Since        string     `json:"since,omitempty" doc:"the snapshot of it, or the image (that has a colon), that it goes on from; empty: neither"`
	Private      int64      `json:"private" doc:"bytes of blocks that only it and its snapshots hold; what the limit counts"`
	Limit        int64      `json:"limit" doc:"of private; 0: no limit"`
	UsedPercent  int        `json:"used_percent" doc:"of the limit; 0 without one"`
	WriteThrough bool       `json:"write_through" doc:"each write is on the disk before the machine is told so"`
	Depth        int        `json:"depth" doc:"layers that it is read through"`
	Snapshots    []Snapshot `json:"snapshots" doc:"oldest first"`
	Open         bool       `json:"open" doc:"a machine uses it now"`
	ReadBytes    int64      `json:"read_bytes" doc:"read by the boot that uses it now; of a data volume, since it was opened"`
	WrittenBytes int64      `json:"written_bytes" doc:"written by the boot that uses it now; of a data volume, since it was opened"`
	Boot         string     `json:"boot,omitempty" doc:"id of the boot it was made for, if ephemeral"`
	Created      time.Time  `json:"created"`

	BlockSize    int64         `json:"block_size" doc:"bytes of a logical block"`
	Shared       bool          `json:"shared,omitempty" doc:"several machines may have it attached at once"`
	Attached     []Seat        `json:"attached,omitempty" doc:"the machines that have it beside their own disk"`
	IOPS         int64         `json:"iops,omitempty" doc:"commands a second that it serves at most; 0: no limit"`
	Bandwidth    int64         `json:"bandwidth,omitempty" doc:"bytes a second that it moves at most; 0: no limit"`
	Reservations *Reservations `json:"reservations,omitempty" doc:"that initiators have made among themselves; not in the list of all volumes"`
}

// VolumeList is all volumes.
type VolumeList struct {
	Volumes []Volume `json:"volumes"`
	Freeing int64    `json:"freeing" doc:"bytes of removed volumes that are still being freed"`
}

// VolumeChange is the body of PATCH /v1/volumes/{id}: what is not given stays.
type VolumeChange struct {
	Limit        *int64 `json:"limit,omitempty" minimum:"0" doc:"bytes; 0: no limit"`
	WriteThrough *bool  `json:"write_through,omitempty" doc:"each write is on the disk before the machine is told so"`
	Shared       *bool  `json:"shared,omitempty" doc:"several machines may have it attached at once; data volumes only"`
	IOPS         *int64 `json:"iops,omitempty" minimum:"0" doc:"commands a second; 0: no limit"`
	Bandwidth    *int64 `json:"bandwidth,omitempty" minimum:"0" doc:"bytes a second; 0: no limit"`

	ClearReservations bool `json:"clear_reservations,omitempty" doc:"forget what initiators have reserved, and who has registered"`
}

// How a state of a disk was caught.
const (
	Clean = "clean" // while no machine used it
	Crash = "crash" // of a running machine: as if its power had been cut
)

// Snapshot is a named state of a volume.
type Snapshot struct {
	Volume     string    `json:"volume" doc:"id"`
	Name       string    `json:"name"`
	Layer      string    `json:"layer" doc:"id of the layer that holds it"`
	Own        int64     `json:"own" doc:"bytes of blocks that it has beyond the state before it and that belong to no image"`
	Size       int64     `json:"size" doc:"of the disk then, in bytes"`
	Created    time.Time `json:"created"`
	Consistent string    `json:"consistent" enum:"clean,crash" doc:"crash: of a running machine, as if its power had been cut"`
}

// Undone is a volume that went back to an earlier state.
type Undone struct {
	Volume Volume `json:"volume" doc:"as it is now"`
	Lost   int64  `json:"lost" doc:"bytes of blocks that were thrown away: what it had as own"`
}

// Diff is how a disk differs from the image it was cloned from.
type Diff struct {
	Volume     string          `json:"volume" doc:"id"`
	Snapshot   string          `json:"snapshot,omitempty"`
	Against    string          `json:"against" doc:"name:tag of the image"`
	Changed    int64           `json:"changed" doc:"bytes of blocks that were written"`
	Zeroed     int64           `json:"zeroed" doc:"bytes of blocks that were discarded or became zeros"`
	Partitions []DiffPartition `json:"partitions" doc:"with the space outside of partitions, as number 0"`
}

// DiffPartition is the part of a Diff that lies in one partition.
type DiffPartition struct {
	Number  int    `json:"number" doc:"0: outside of all partitions"`
	Name    string `json:"name,omitempty"`
	Type    string `json:"type,omitempty" doc:"for people"`
	Start   int64  `json:"start" doc:"bytes from the beginning of the disk"`
	Size    int64  `json:"size" doc:"bytes"`
	Changed int64  `json:"changed"`
	Zeroed  int64  `json:"zeroed"`
}
