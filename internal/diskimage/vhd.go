package diskimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
)

// A VHD ends in a footer of 512 bytes (Virtual Hard Disk Image Format
// Specification 1.0), of which a dynamic one has a copy at its beginning. All
// numbers are big-endian:
//
//	 0  8  "conectix"
//	16  8  offset of the header that describes the blocks
//	48  8  size of the disk
//	60  4  type: 2 fixed, 3 dynamic, 4 differencing
//	64  4  checksum: the complement of the sum of all other bytes
const (
	vhdCookie       = "conectix"
	vhdFooter       = 512
	vhdFixed        = 2
	vhdDynamic      = 3
	vhdDifferencing = 4

	// maxVHD is the largest disk that the format holds.
	maxVHD = 2040 << 30
)

func hasFooter(r io.ReaderAt, size int64) bool {
	var cookie [len(vhdCookie)]byte
	if size < vhdFooter {
		return false
	}
	_, err := r.ReadAt(cookie[:], size-vhdFooter)
	return err == nil && string(cookie[:]) == vhdCookie
}

// inspectVHD refuses what qemu-img would take: a footer that is wrong, a fixed
// disk that is cut, and a difference to another disk, whose blocks it would
// read as zeros. copied: the file begins with a footer too.
func inspectVHD(r io.ReaderAt, size int64, copied bool) error {
	if !hasFooter(r, size) {
		return errors.New("the VHD is truncated: its footer is missing at the end")
	}
	end, err := readVHDFooter(r, size-vhdFooter)
	if err != nil {
		return err
	}
	begin := end
	if copied {
		if begin, err = readVHDFooter(r, 0); err != nil {
			return err
		}
	}
	switch {
	case begin.kind == vhdDifferencing || end.kind == vhdDifferencing:
		return &ReferenceError{What: "parent disk", Name: vhdParent(r, end.header)}
	case begin != end:
		return errors.New("the VHD is damaged: its two footers differ")
	case copied && end.kind == vhdDynamic:
		return nil
	case copied || end.kind != vhdFixed:
		return fmt.Errorf("the VHD is damaged: its footer tells of type %d", end.kind)
	case end.size > uint64(size-vhdFooter):
		return fmt.Errorf("the VHD is truncated: it is a disk of %d bytes, and %d are here", end.size, size-vhdFooter)
	}
	return nil
}

type vhdInfo struct {
	header, size uint64
	kind         uint32
}

func readVHDFooter(r io.ReaderAt, at int64) (vhdInfo, error) {
	var b [vhdFooter]byte
	if n, err := r.ReadAt(b[:], at); n < len(b) {
		return vhdInfo{}, err
	}
	if binary.BigEndian.Uint32(b[64:]) != vhdSum(b[:]) {
		return vhdInfo{}, errors.New("the VHD is damaged: the checksum of its footer is wrong")
	}
	return vhdInfo{binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[48:]), binary.BigEndian.Uint32(b[60:])}, nil
}

func vhdSum(footer []byte) uint32 {
	var sum uint32
	for i, c := range footer {
		if i < 64 || i >= 68 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// vhdParent is the parent's name, 256 units of UTF-16 at byte 64 of the header.
func vhdParent(r io.ReaderAt, header uint64) string {
	var b [512]byte
	if header > 1<<62 {
		return ""
	}
	if n, _ := r.ReadAt(b[:], int64(header)+64); n < len(b) {
		return ""
	}
	var units []uint16
	for p := b[:]; len(p) > 0 && (p[0] != 0 || p[1] != 0); p = p[2:] {
		units = append(units, binary.BigEndian.Uint16(p))
	}
	return printable(string(utf16.Decode(units)))
}
