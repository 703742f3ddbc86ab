package scsi

import (
	"encoding/binary"
	"slices"
	"sync"
)

// Service actions of RECEIVE COPY RESULTS (SPC-4, 6.24).
const (
	actCopyStatus    = 0x00
	actCopyOperating = 0x03
)

// States of a copy.
const (
	copyRuns   = 0x00
	copyDone   = 0x01
	copyFailed = 0x02
)

// copyStatus is how far an EXTENDED COPY has come.
type copyStatus struct {
	id       byte
	state    byte
	segments uint16
	bytes    int64
}

// maxCopies is how many of them a nexus can ask for.
const maxCopies = 8

// copies are the last ones of a nexus.
type copies struct {
	mu   sync.Mutex
	list []copyStatus
}

func (c *copies) record(s copyStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(o copyStatus) bool { return o.id == s.id })
	if len(c.list) == maxCopies {
		c.list = slices.Delete(c.list, 0, 1)
	}
	c.list = append(c.list, s)
}

// take returns the status of a copy; of one that has ended once.
func (c *copies) take(id byte) (copyStatus, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.list, func(o copyStatus) bool { return o.id == id })
	if i < 0 {
		return copyStatus{}, false
	}
	s := c.list[i]
	if s.state != copyRuns {
		c.list = slices.Delete(c.list, i, i+1)
	}
	return s, true
}

func decodeCopyResults(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u32(10))
	return Sense{}
}

// copyResults answers COPY STATUS:
//
//	0 | 8, 4 | state | segments, 2 | unit of what follows: 1 is KiB | transferred, 4
func copyResults(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	const kib = 1
	s, ok := c.nexus.copies.take(c.CDB[2])
	if !ok {
		return b, badField(2)
	}
	b = append(b, 0, 0, 0, 8, s.state)
	b = binary.BigEndian.AppendUint16(b, s.segments)
	b = append(b, kib)
	return binary.BigEndian.AppendUint32(b, uint32(s.bytes>>10)), Sense{}
}

// copyOperating answers OPERATING PARAMETERS (SPC-4, 6.24.4).
func copyOperating(d *Disk, _ *Command, b []byte) ([]byte, Sense) {
	var p [44]byte
	implemented := []byte{blockToBlock, targetByID}
	binary.BigEndian.PutUint32(p[0:], uint32(len(p)+len(implemented)-4))
	binary.BigEndian.PutUint16(p[8:], maxCopyTargets)
	binary.BigEndian.PutUint16(p[10:], maxCopySegments)
	binary.BigEndian.PutUint32(p[12:], maxCopyList)
	binary.BigEndian.PutUint32(p[16:], uint32(maxCopyBlocks*d.blockSize))
	binary.BigEndian.PutUint16(p[34:], maxCopies)
	p[36] = maxCopies
	p[37] = 9 // granularity: 512 bytes
	p[43] = byte(len(implemented))
	return append(append(b, p[:]...), implemented...), Sense{}
}
