// Package scsi is a SCSI disk over a block.Device.
package scsi

import "bootes.dev/internal/block"

// Identity is what INQUIRY tells of a disk. Vendor, Product and Revision are
// cut to 8, 16 and 4 bytes; UUID makes the identifiers of VPD page 83h and is
// the same for the life of the volume.
type Identity struct {
	Vendor   string
	Product  string
	Revision string
	Serial   string
	UUID     [16]byte
	ReadOnly bool
}

// Disk is one logical unit: a direct-access block device (SBC-3) with 512-byte
// logical and 4 KiB physical blocks.
type Disk struct {
	dev block.Device
	id  Identity
}

// NewDisk returns a disk over dev, which it does not close.
func NewDisk(dev block.Device, id Identity) *Disk { return &Disk{dev: dev, id: id} }
