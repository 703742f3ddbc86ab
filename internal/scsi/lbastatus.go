package scsi

import (
	"encoding/binary"
	"math"
)

// Mapper is a device that knows which of its blocks have content. Mapped tells
// whether those at off have, and over how many bytes, at least one block and at
// most n, that answer is the same; the rest reads as zeros. Offsets and lengths
// are multiples of block.SectorSize within the device. It answers from memory.
//
// Of a device that is no Mapper everything counts as mapped, which is always
// allowed (SBC-3, 4.7.4).
type Mapper interface {
	Mapped(off, n int64) (mapped bool, run int64)
}

// Provisioning status of blocks (SBC-3, 5.4).
const (
	statusMapped      = 0
	statusDeallocated = 1
)

// maxStatus is the most descriptors of one answer, and maxRuns the most runs
// of blocks that are looked at for it.
const (
	maxStatus = 128
	maxRuns   = 4096
)

func decodeLBAStatus(d *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u32(10))
	if cdb.u64(2) >= d.blocks() {
		return lbaOutOfRange
	}
	return Sense{}
}

// lbaStatus answers GET LBA STATUS (SBC-3, 5.4), as far as the allocation
// length reaches; at least with the blocks from the LBA on:
//
//	0 | length, 4 | reserved, 4 |
//	8 | LBA, 8    | count, 4    | status | reserved, 3 |  ...
func lbaStatus(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	room := min(max((c.Length-8)/16, 1), maxStatus)
	lba, end := c.CDB.u64(2), d.blocks()
	for runs := 0; lba < end && room > 0 && runs < maxRuns; room-- {
		mapped, n := d.run(lba, end, &runs)
		status := byte(statusDeallocated)
		if mapped {
			status = statusMapped
		}
		b = binary.BigEndian.AppendUint64(b, lba)
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		b = append(b, status, 0, 0, 0)
		lba += n
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, Sense{}
}

// run returns how many blocks from lba on are mapped, or are not, joining what
// the device tells piece by piece.
func (d *Disk) run(lba, end uint64, runs *int) (mapped bool, n uint64) {
	end = min(end, lba+math.MaxUint32)
	m, ok := d.dev.(Mapper)
	if !ok {
		return true, end - lba
	}
	for first := true; lba+n < end && (first || *runs < maxRuns); first = false {
		*runs++
		is, length := m.Mapped(int64(lba+n)*d.blockSize, int64(end-lba-n)*d.blockSize)
		if !first && is != mapped {
			break
		}
		mapped = is
		n += uint64(length / d.blockSize)
	}
	return mapped, n
}
