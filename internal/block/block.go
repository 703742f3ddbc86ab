// Package block defines Device, the one storage seam of Boötes: what a
// protocol server (SCSI, later NBD and AoE) may ask of a disk, and what every
// disk (the local copy-on-write engine, later Ceph RBD) must answer.
//
// Package blocktest is the contract as a test suite; every Device and every
// decorator of one passes it.
package block

import "errors"

// SectorSize is the unit, in bytes, of addressing and of write atomicity: a
// write of one aligned sector is seen whole or not at all, also after a power
// cut. Nothing larger is promised.
const SectorSize = 512

// Device is a disk of a fixed number of bytes.
//
// Offsets and lengths are in bytes and multiples of SectorSize; anything else
// fails with ErrUnaligned. A range that does not lie wholly inside the device
// fails with ErrOutOfRange and transfers nothing.
//
// All methods may be called from any number of goroutines. Two calls whose
// ranges overlap in time and place are ordered per sector as if one came
// first. A call does not retain its buffer.
//
// Durability. When WriteAt or Unmap has returned nil, every later read sees
// the change, also after the process was killed and the device opened again
// while the machine stayed up. Only when a Flush that began after that return
// has itself returned nil is the change safe from a power cut.
//
// A device that returned ErrFailed stays failed until it is reopened.
type Device interface {
	// ReadAt fills p from the range that starts at off. Space never written
	// reads as the image below it, or as zeros.
	ReadAt(p []byte, off int64) (n int, err error)

	// WriteAt writes p to the range that starts at off. On error the range
	// may hold old and new sectors mixed; nothing outside it has changed.
	WriteAt(p []byte, off int64) (n int, err error)

	// Unmap makes the range read as zeros and gives its space back where it
	// can. It is exact, not advisory: the whole range reads zero afterwards.
	Unmap(off, length int64) error

	// Flush makes every change acknowledged before the call durable.
	Flush() error

	// Size is the number of bytes, a multiple of SectorSize.
	Size() int64
}

// Errors that a Device's methods wrap. Callers tell them apart by errors.Is.
var (
	// ErrUnaligned: the offset or length is no multiple of SectorSize.
	ErrUnaligned = errors.New("not aligned to 512 bytes")
	// ErrOutOfRange: the range does not lie inside the device.
	ErrOutOfRange = errors.New("beyond the end of the disk")
	// ErrReadOnly: the device takes no writes.
	ErrReadOnly = errors.New("disk is read-only")
	// ErrNoSpace: the volume's limit or the host's disk leaves no room for
	// new blocks. Blocks already present can still be written. The write may
	// be repeated once there is room.
	ErrNoSpace = errors.New("no space for new blocks")
	// ErrCorrupt: stored data failed its check.
	ErrCorrupt = errors.New("stored data is corrupt")
	// ErrFailed: a sync failed; what the disk holds is unknown until reopened.
	ErrFailed = errors.New("disk failed an earlier sync")
	// ErrClosed: the device was closed.
	ErrClosed = errors.New("disk is closed")
)

// CheckRange returns the error, if any, that a Device of size bytes must
// return for a call on length bytes at off.
func CheckRange(size, off, length int64) error {
	if off%SectorSize != 0 || length%SectorSize != 0 {
		return ErrUnaligned
	}
	if off < 0 || length < 0 || off > size || length > size-off {
		return ErrOutOfRange
	}
	return nil
}
