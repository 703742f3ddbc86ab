package api

// NewVolume is the body of POST /v1/volumes.
type NewVolume struct {
	Name      string `json:"name" minLength:"1" doc:"which no machine and no other volume has"`
	Size      int64  `json:"size" minimum:"4096" multipleOf:"4096" doc:"bytes"`
	BlockSize int64  `json:"block_size,omitempty" enum:"512,4096" doc:"bytes of a logical block; default: 512"`
	Shared    bool   `json:"shared,omitempty" doc:"several machines may have it attached at once"`
	Limit     *int64 `json:"limit,omitempty" minimum:"0" doc:"bytes that it may hold, 0 for none; default: the server's limits.volume"`
}

// AttachRequest is the body of POST /v1/machines/{name}/disks: a volume or an
// image.
type AttachRequest struct {
	Volume   string `json:"volume,omitempty" doc:"name of a data volume"`
	Image    string `json:"image,omitempty" doc:"name:tag of an image, or a tag, which means what it points to now"`
	LUN      uint8  `json:"lun,omitempty" minimum:"2" maximum:"254" doc:"default: the first that is free"`
	ReadOnly bool   `json:"read_only,omitempty" doc:"the machine may not write to the volume; an image is never written to"`
}

// Attachment is a disk that a machine has beside its own.
type Attachment struct {
	LUN      uint8  `json:"lun" doc:"logical unit number in the machine's target"`
	Volume   string `json:"volume,omitempty" doc:"data volume"`
	Image    string `json:"image,omitempty" doc:"name:tag of an image"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Attached is what was attached to a machine, or detached from it.
type Attached struct {
	Machine string `json:"machine"`
	Attachment
	Kind string `json:"kind" enum:"disk,cdrom"`
	Live bool   `json:"live" doc:"the machine runs, and this was done to the target that it has open"`
}

// What an image is.
const (
	DiskImage = "disk"
	CDROM     = "cdrom"
)

// Seat is where a volume is attached.
type Seat struct {
	Machine string `json:"machine"`
	LUN     uint8  `json:"lun"`
}

// Reservations is which initiators have reserved a volume among themselves.
type Reservations struct {
	Type       string         `json:"type,omitempty" doc:"of the reservation in words; empty: there is none, only registrations"`
	Holders    []string       `json:"holders" doc:"initiator ports that hold it"`
	Registered []Registration `json:"registered"`
	Kept       bool           `json:"kept" doc:"they outlast a restart of the server (APTPL)"`
}

// Registration is an initiator's key for a volume's reservations.
type Registration struct {
	Initiator string `json:"initiator" doc:"name of its port: IQN, i and ISID"`
	Key       string `json:"key" doc:"hexadecimal"`
}
