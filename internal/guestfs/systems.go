package guestfs

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"bootes.dev/internal/diskimage"
)

// System is what a partition holds.
type System struct {
	diskimage.Partition        // Number is 0 if the disk has no partition table
	Kind                string // "ext4", "fat32"; "NTFS", "swap space" and others that are not read; "" if it is not known
	UUID, Label         string // as blkid shows them; "" if they are not known
	Unclean             bool   // it was in use
	Err                 error  // why it cannot be read, though it is of a kind that is
}

// Systems tells what the partitions of a disk of size bytes hold. dev is read in
// whole sectors.
func Systems(ctx context.Context, dev io.ReaderAt, size int64) (all []System, err error) {
	defer guard(&err)
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTime, errLate)
	defer cancel()
	parts, err := diskimage.Partitions(dev, size)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		parts = []diskimage.Partition{{Size: size}}
	}
	d := &disk{ctx, dev, size}
	for _, p := range parts {
		all = append(all, system(d, p))
	}
	return all, context.Cause(ctx)
}

func system(d *disk, p diskimage.Partition) System {
	s := System{Partition: p}
	part := piece{d, p.Start, p.Size}
	s.Kind, s.UUID, s.Label = named(part)
	m, err := mountPart(d, p)
	switch {
	case err == nil:
		s.Kind, s.Unclean = m.place.System, m.place.Unclean
	case s.Kind == "ext" || s.Kind == "fat":
		s.Err = err
	case s.Kind == "":
		if kind := whatElse(part, ""); kind != unknownSystem {
			s.Kind = kind
		}
	}
	return s
}

// names are where file systems keep their UUID of 16 bytes and their label.
var names = []struct {
	kind    string
	at      uint64
	magic   string
	uuid    uint64
	label   uint64
	longest int
}{
	{"ext", extSuperAt + sbMagic, "\x53\xef", extSuperAt + sbUUID, extSuperAt + sbLabel, 16},
	{"XFS", 0, "XFSB", 32, 108, 12},
	{"btrfs", 0x10040, "_BHRfS_M", 0x10020, 0x1012b, 256},
	{"swap space", 4096 - 10, "SWAPSPACE2", 0x40c, 0x41c, 16},
}

// named tells by what a file system is found. UUIDs are those of their makers, not
// mixed-endian ones.
func named(p piece) (kind, uuid, label string) {
	var b [512]byte
	if p.read(b[:], 0) == nil && looksFAT(b[:]) {
		return fatNames(b[:])
	}
	for _, n := range names {
		magic, u, l := make([]byte, len(n.magic)), make([]byte, 16), make([]byte, n.longest)
		if p.read(magic, n.at) != nil || string(magic) != n.magic || p.read(u, n.uuid) != nil || p.read(l, n.label) != nil {
			continue
		}
		h := hex.EncodeToString(u)
		return n.kind, strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), untilNUL(l)
	}
	return "", "", ""
}

// A FAT's serial number, and behind it its label of 11 bytes.
const (
	fatSerial16 = 39
	fatSerial32 = 67
)

func fatNames(b []byte) (kind, uuid, label string) {
	at := fatSerial16
	if binary.LittleEndian.Uint16(b[fatLength16:]) == 0 {
		at = fatSerial32
	}
	serial := binary.LittleEndian.Uint32(b[at:])
	return "fat", fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff), strings.TrimRight(string(b[at+4:at+15]), " ")
}

func untilNUL(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}
