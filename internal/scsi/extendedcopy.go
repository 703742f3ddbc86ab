package scsi

import (
	"bytes"
	"encoding/binary"
)

// What EXTENDED COPY takes at once; RECEIVE COPY RESULTS declares it.
const (
	maxCopyTargets  = 2
	maxCopySegments = 16
	maxCopyList     = 1024
	maxCopyBlocks   = 0xffff // of one segment

	copyHeader = 16
	copyPiece  = 256 << 10

	targetByID = 0xe4 // identification descriptor target descriptor
	targetSize = 32

	blockToBlock     = 0x02
	blockToBlockSize = 28
)

func decodeExtendedCopy(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u32(10))
	switch {
	case c.Length == 0:
		return Sense{}
	case c.Length < copyHeader || c.Length > copyHeader+maxCopyList:
		return paramListLength
	}
	c.Kind, c.verb = Parameters, copyBlocks
	return Sense{}
}

// copyList is the parameter list of EXTENDED COPY (SPC-4, 6.4.3):
//
//	 0 | list identifier | usage 18h | targets length, 2 | reserved, 4
//	 8 | segments length, 4          | inline data length, 4
//	16 | target descriptors, segment descriptors
type copyList struct {
	id       byte
	held     bool
	targets  []*Disk // nil for one that is not here
	segments []copySegment
}

type copySegment struct {
	from, to int  // indexes of targets
	ofTarget bool // the blocks are the destination's
	blocks   uint32
	src, dst uint64
}

// parseCopy reads a parameter list whole before anything is copied.
func (t *Target) parseCopy(p []byte) (*copyList, Sense) {
	if len(p) < copyHeader {
		return nil, paramListLength
	}
	targets, segments := int(binary.BigEndian.Uint16(p[2:])), int64(binary.BigEndian.Uint32(p[8:]))
	if binary.BigEndian.Uint32(p[12:]) != 0 {
		return nil, inlineData
	}
	l := &copyList{id: p[0], held: p[1]>>3&3 == 0}
	if p = p[copyHeader:]; int64(targets)+segments > int64(len(p)) || int64(targets)+segments > maxCopyList {
		return nil, paramListLength
	}
	for list := p[:targets]; len(list) > 0; list = list[targetSize:] {
		if list[0] != targetByID {
			return nil, unknownTarget
		}
		if len(list) < targetSize {
			return nil, paramListLength
		}
		if len(l.targets) == maxCopyTargets {
			return nil, tooManyTargets
		}
		l.targets = append(l.targets, t.byDesignator(list[4:28]))
	}
	for list := p[targets : int64(targets)+segments]; len(list) > 0; list = list[blockToBlockSize:] {
		if list[0] != blockToBlock {
			return nil, unknownSegment
		}
		if len(list) < blockToBlockSize || binary.BigEndian.Uint16(list[2:]) != blockToBlockSize-4 {
			return nil, paramListLength
		}
		if len(l.segments) == maxCopySegments {
			return nil, tooManySegments
		}
		l.segments = append(l.segments, parseSegment(list))
	}
	return l, Sense{}
}

// parseSegment reads a block to block segment descriptor:
//
//	0 | 02h | DC, CAT | length, 2 | source index, 2 | destination index, 2
//	8 | reserved, 2   | blocks, 2 | source LBA, 8   | destination LBA, 8
//
// DC tells whose blocks are counted: the destination's if it is set.
func parseSegment(p []byte) copySegment {
	return copySegment{
		from:     int(binary.BigEndian.Uint16(p[4:])),
		to:       int(binary.BigEndian.Uint16(p[6:])),
		ofTarget: p[1]&0x02 != 0,
		blocks:   uint32(binary.BigEndian.Uint16(p[10:])),
		src:      binary.BigEndian.Uint64(p[12:]),
		dst:      binary.BigEndian.Uint64(p[20:]),
	}
}

// byDesignator returns the disk that a designation descriptor of VPD page 83h
// names, nil if none does.
func (t *Target) byDesignator(p []byte) *Disk {
	size := 4 + int(p[3])
	if size > len(p) {
		return nil
	}
	for _, d := range t.units() {
		for _, id := range d.designators() {
			if bytes.Equal(id, p[:size]) {
				return d
			}
		}
	}
	return nil
}

// extendedCopy serves EXTENDED COPY between the disks of this target.
func (d *Disk) extendedCopy(c *Command, p []byte) Sense {
	l, s := c.nexus.target.parseCopy(p)
	if !s.OK() {
		return s
	}
	status := copyStatus{id: l.id, state: copyRuns}
	record := func() {
		if l.held {
			c.nexus.copies.record(status)
		}
	}
	record()
	for _, segment := range l.segments {
		n, s := l.copy(c, segment)
		if status.bytes += n; !s.OK() {
			status.state = copyFailed
			record()
			return s
		}
		status.segments++
	}
	status.state = copyDone
	record()
	return Sense{}
}

// copy copies one segment, and returns how many bytes it has written.
func (l *copyList) copy(c *Command, g copySegment) (int64, Sense) {
	if g.from >= len(l.targets) || g.to >= len(l.targets) || l.targets[g.from] == nil || l.targets[g.to] == nil {
		return 0, copyUnreachable
	}
	from, to := l.targets[g.from], l.targets[g.to]
	if from.keepsOut(c.nexus, reads) || to.keepsOut(c.nexus, writes) {
		return 0, copyRefused
	}
	if s := to.writable(); !s.OK() {
		return 0, s
	}
	src, dst, s := g.extents(from, to)
	if !s.OK() {
		return 0, s
	}
	buf := make([]byte, min(copyPiece, src.span))
	done := int64(0)
	for done < src.span {
		n := min(int64(len(buf)), src.span-done)
		if _, err := from.dev.ReadAt(buf[:n], src.offset+done); err != nil {
			return done, senseOf(err)
		}
		if s := to.put(buf[:n], dst.offset+done); !s.OK() {
			return done, s
		}
		done += n
	}
	if to.flushesWrites() {
		return done, senseOf(to.dev.Flush())
	}
	return done, Sense{}
}

// extents are what a segment copies, and to where. Disks of different blocks
// must be able to hold it in whole ones: nothing is filled up (CAT and PAD).
func (g *copySegment) extents(from, to *Disk) (src, dst Command, s Sense) {
	counted := from
	if g.ofTarget {
		counted = to
	}
	n := int64(g.blocks) * counted.blockSize
	if n%from.blockSize != 0 || n%to.blockSize != 0 {
		return src, dst, inexactSegment
	}
	if !src.extent(from, g.src, uint32(n/from.blockSize)).OK() || !dst.extent(to, g.dst, uint32(n/to.blockSize)).OK() {
		return src, dst, copyAborted
	}
	return src, dst, Sense{}
}

// put writes p, or gives its space back where it is zeros.
func (d *Disk) put(p []byte, off int64) Sense {
	d.order.RLock()
	defer d.order.RUnlock()
	if zero(p) {
		return senseOf(d.dev.Unmap(off, int64(len(p))))
	}
	_, err := d.dev.WriteAt(p, off)
	return senseOf(err)
}
