// Package scsi is a SCSI disk, or a CD-ROM, over a block.Device: what a logical
// unit answers to each command descriptor block (CDB), following SPC-4, SBC-3 and
// MMC-6.
//
// It knows nothing of the transport. A transport serves a command in two
// steps. Decode reads the CDB and says what is to be moved and who may wait:
//
//	Control     answered from memory: call Answer, on any goroutine
//	Read        call ReadAt, whole or in pieces
//	Write       call WriteAt in pieces as data arrives, then Finish
//	Parameters  collect all Length bytes, then call Execute
//	Slow        no data: call Execute
//
// All but Control may wait for the disk; Write, Parameters and Slow may wait
// for long (dirty page throttling, fsync), so they must not run where a
// connection is read. Each step returns a Sense; the zero Sense is success.
//
// Disks are the logical units of Targets, each of one or of several. Each
// initiator joins it as a Nexus, by which its commands come, and Decode sees to
// what others have done to the disk meanwhile: unit attentions, reservations,
// mode parameters.
//
// Locks, in the order in which they may be taken: Target.moving,
// reservations.making, Disk.mu, Disk.placed, Target.mu, Nexus.mu; and, while
// blocks are changed, Disk.order.
package scsi

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"bootes.dev/internal/block"
)

// physicalBlock is the physical block in bytes, the grain of the copy-on-write
// engine: aligned writes cost one block, not two.
const physicalBlock = 4096

// Identity is what INQUIRY tells of a disk. Vendor, Product and Revision are
// cut to 8, 16 and 4 bytes, Serial to 64; UUID makes the identifiers of VPD page
// 83h and is the same for the life of the volume.
type Identity struct {
	Vendor   string
	Product  string
	Revision string
	Serial   string
	UUID     [16]byte
	ReadOnly bool
	// BlockSize is the logical block in bytes: 512, or 4096 for a disk that has
	// no smaller ones ("4Kn"). 0 stands for 512.
	BlockSize int

	// WriteThrough tells whether the device makes each write durable before it
	// returns; nil for never. It may change its mind: what the initiators were
	// told at first stays true, by flushes where it takes them.
	WriteThrough func() bool
	// Provisioning tells the space of a thin disk. Without it no threshold is
	// reported.
	Provisioning func() Provisioning
}

// Peripheral device types (SPC-4, 6.4.2); with the qualifier 3, of no unit.
const (
	typeDisk = 0x00
	typeDisc = 0x05
	typeNone = 0x7f
)

// Disk is one logical unit: a direct-access block device (SBC-3) with 4 KiB
// physical blocks, or a CD-ROM (NewCDROM). All methods may be called from any
// number of goroutines.
type Disk struct {
	dev       block.Device
	id        Identity
	blockSize int64 // of logical blocks, in bytes
	kind      byte  // peripheral device type
	commands  *commandSet

	*state
}

// state is what a disk and its read-only views have in common.
type state struct {
	defaults uint32        // mode parameters at first
	modes    atomic.Uint32 // the mode parameters; changed under mu
	reserved atomic.Bool   // somebody may be kept out: look at res
	mu       sync.Mutex    // orders changes of the modes
	res      reservations

	placed sync.Mutex // guards places
	places []place

	// order keeps COMPARE AND WRITE whole: it holds it alone, every other
	// change of the disk shares it.
	order sync.RWMutex
}

// NewDisk returns a disk over dev, which it does not close.
func NewDisk(dev block.Device, id Identity) *Disk {
	size := int64(block.SectorSize)
	if id.BlockSize != 0 {
		size = int64(id.BlockSize)
	}
	if size != block.SectorSize && size != physicalBlock {
		panic(fmt.Sprintf("scsi: logical blocks of %d bytes", size))
	}
	return newUnit(&Disk{dev: dev, id: id, kind: typeDisk, blockSize: size, commands: &diskCommands})
}

// newUnit makes ready a Disk that knows its device and its type.
func newUnit(d *Disk) *Disk {
	d.state = new(state)
	d.id.Serial = d.id.Serial[:min(len(d.id.Serial), 64)]
	if !d.writesThrough() {
		d.defaults = modeWCE
	}
	d.res.persistent.Store(new(persistent))
	d.modes.Store(d.defaults)
	return d
}

// Absent stands for each logical unit number that has no unit. It answers the
// few commands that SPC-4 wants answered there.
var Absent = &Disk{kind: typeNone, blockSize: block.SectorSize, commands: &diskCommands, state: new(state)}

// ReadOnly returns d for those who may not write it: a unit with the same name,
// reservations, modes and news.
func (d *Disk) ReadOnly() *Disk {
	view := *d
	view.id.ReadOnly = true
	return &view
}

// Key is the same for a disk and its read-only views, and of no other.
func (d *Disk) Key() any { return d.state }

func (d *Disk) absent() bool { return d.dev == nil }

// writable refuses what would change blocks that nobody may change.
func (d *Disk) writable() Sense {
	switch {
	case d.id.ReadOnly:
		return writeProtected
	case d.modes.Load()&modeSWP != 0:
		return softwareProtected
	}
	return Sense{}
}

// flushesWrites tells whether each write must be durable before it is answered.
func (d *Disk) flushesWrites() bool { return d.modes.Load()&modeWCE == 0 && !d.writesThrough() }

func (d *Disk) writesThrough() bool { return d.id.WriteThrough != nil && d.id.WriteThrough() }

// reset brings back what does not outlast a reset. Persistent reservations do.
func (d *Disk) reset() {
	d.unreserve(func(*Nexus) bool { return true })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.modes.Store(d.defaults)
}

// BlockSize is the length of a logical block in bytes.
func (d *Disk) BlockSize() int64 { return d.blockSize }

// blocks is the capacity in logical blocks.
func (d *Disk) blocks() uint64 { return uint64(d.dev.Size() / d.blockSize) }

// physicalExponent: there are 2 to this logical blocks in a physical one.
func (d *Disk) physicalExponent() byte {
	if d.kind == typeDisc {
		return 0
	}
	return byte(bits.TrailingZeros64(uint64(physicalBlock / d.blockSize)))
}
