package scsi

import "bootes.dev/internal/block"

// discBlock is the logical block of a CD-ROM, in bytes.
const discBlock = 2048

// NewCDROM returns a CD-ROM drive (MMC-6) with a finished disc of one session
// and one data track, the content of dev, which it does not close. Nobody can
// write it or take it out. id.BlockSize does not matter.
func NewCDROM(dev block.Device, id Identity) *Disk {
	id.ReadOnly = true
	return newUnit(&Disk{dev: dev, id: id, kind: typeDisc, blockSize: discBlock, commands: &discCommands})
}

// Operation codes (MMC-6, 6).
const (
	opReadTOC         = 0x43
	opGetConfig       = 0x46
	opEventStatus     = 0x4a
	opDiscInformation = 0x51
	opTrackInfo       = 0x52
	opDiscStructure   = 0xad
	opMechanismStatus = 0xbd
)

// sharedWithDisk are the commands of a disk that a CD-ROM serves in the same
// way. READ (16) and READ CAPACITY (16) are no part of MMC-6, and harmless.
var sharedWithDisk = map[byte]bool{
	opTestUnitReady: true, opRequestSense: true, opInquiry: true, opModeSense6: true, opModeSense10: true,
	opStartStopUnit: true, opPreventRemoval: true, opReadCapacity10: true, opServiceActionIn: true,
	opRead10: true, opRead12: true, opRead16: true, opReportLUNs: true, opMaintenanceIn: true,
}

func discSupported() []operation {
	var list []operation
	for _, op := range supported() {
		if sharedWithDisk[op.code] && (op.code != opServiceActionIn || op.action == actReadCapacity16) {
			list = append(list, op)
		}
	}
	return append(list,
		operation{code: opReadTOC, access: reads, usage: "\x43\x02\x0f\x00\x00\x00\xff\xff\xff\xc0", decode: decodeTOC, answer: readTOC},
		operation{code: opGetConfig, access: free, usage: "\x46\x03\xff\xff\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: getConfiguration},
		operation{code: opEventStatus, access: free, usage: "\x4a\x01\x00\x00\xff\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: eventStatus},
		operation{code: opDiscInformation, access: reads, usage: "\x51\x07\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: discInformation},
		operation{code: opTrackInfo, access: reads, usage: "\x52\x03" + lba32 + "\x00\xff\xff\x00", decode: decodeAlloc16, answer: trackInformation},
		operation{code: opDiscStructure, access: reads, usage: "\xad\x0f\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeStructure, answer: discStructure},
		operation{code: opMechanismStatus, access: free, usage: "\xbd\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00", decode: decodeMechanism, answer: mechanismStatus},
	)
}

// discPages are the mode pages of a CD-ROM (MMC-6, 7.2; MMC-3 for 2Ah, which
// later ones call legacy and every system asks for).
func discPages() []modePage {
	const capabilities = 0x2a
	can := make([]byte, 20)
	can[0] = 0x0b                 // reads CD-R, CD-RW and DVD-ROM
	can[6], can[7] = 0x22, 0x60   // obsolete: 50 times the speed of audio, in kB/s
	can[10], can[11] = 0x01, 0x00 // a buffer of 256 KiB
	can[12], can[13] = can[6], can[7]
	return []modePage{
		{pageRecovery, 0, make([]byte, 10)},
		{capabilities, 0, can},
	}
}

// eventStatus answers GET EVENT STATUS NOTIFICATION (MMC-6, 6.6). Nothing ever
// happens to the medium. To be told without asking again is not supported.
//
//	0 | length, 2 | NEA, class | classes supported | event | status | slots, 2
func eventStatus(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	const mediaClass, nothing = 0x04, 0x80
	const noChange, present = 0x00, 0x02
	if c.CDB[1]&1 == 0 { // IMMED
		return b, badField(1)
	}
	if c.CDB[4]&(1<<mediaClass) == 0 {
		return append(b, 0, 2, nothing, 1<<mediaClass), Sense{}
	}
	return append(b, 0, 6, mediaClass, 1<<mediaClass, noChange, present, 0, 0), Sense{}
}

func decodeMechanism(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u16(8))
	return Sense{}
}

// mechanismStatus answers MECHANISM STATUS (MMC-6, 6.9): idle, closed, and no
// changer.
func mechanismStatus(_ *Disk, _ *Command, b []byte) ([]byte, Sense) {
	return append(b, make([]byte, 8)...), Sense{}
}
