package scsi

import "encoding/binary"

// Limits that VPD page B0h declares.
const (
	maxUnmap            = 512 << 20 // bytes, of one UNMAP command
	maxUnmapDescriptors = 256
	maxSame             = 4 << 30 // bytes, of one WRITE SAME

	unmapHeader     = 8
	unmapDescriptor = 16
)

func decodeUnmap(d *Disk, cdb *CDB, c *Command) Sense {
	if s := d.writable(); !s.OK() {
		return s
	}
	if cdb[1]&1 != 0 { // ANCHOR: LBPU without anchored blocks
		return badField(1)
	}
	c.Length = int64(cdb.u16(7))
	if c.Length == 0 {
		return Sense{}
	}
	if c.Length < unmapHeader {
		return paramListLength
	}
	if c.Length > unmapHeader+maxUnmapDescriptors*unmapDescriptor {
		return badField(7)
	}
	c.Kind, c.verb = Parameters, unmap
	return Sense{}
}

// extentOf is one block descriptor of an UNMAP parameter list.
type extentOf struct{ offset, length int64 }

// parseUnmap reads an UNMAP parameter list (SBC-3, 5.28.2) and checks all of
// it before anything is unmapped:
//
//	0 | data length, 2 | descriptors length, 2 | reserved, 4 |
//	8 | LBA, 8         | count, 4              | reserved, 4 |  ...
func (d *Disk) parseUnmap(p []byte) ([]extentOf, Sense) {
	if len(p) < unmapHeader {
		return nil, paramListLength
	}
	length := int(binary.BigEndian.Uint16(p[2:]))
	p = p[unmapHeader:]
	p = p[:min(length, len(p))]
	var list []extentOf
	var total uint64
	for ; len(p) >= unmapDescriptor; p = p[unmapDescriptor:] {
		lba, count := binary.BigEndian.Uint64(p), binary.BigEndian.Uint32(p[8:])
		var c Command
		if s := c.extent(d, lba, count); !s.OK() {
			return nil, s
		}
		if total += uint64(count); total > uint64(maxUnmap/d.blockSize) {
			return nil, badParam(unmapHeader)
		}
		list = append(list, extentOf{c.offset, c.span})
	}
	return list, Sense{}
}

func (d *Disk) unmap(params []byte) Sense {
	list, s := d.parseUnmap(params)
	if !s.OK() {
		return s
	}
	for _, e := range list {
		if e.length == 0 {
			continue
		}
		if err := d.dev.Unmap(e.offset, e.length); err != nil {
			return senseOf(err)
		}
	}
	return Sense{}
}
