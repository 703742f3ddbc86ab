package diskimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// headBytes is how much of a file's beginning tells its format.
const headBytes = 512

// formats are the magic numbers of what qemu-img converts for us.
var formats = []struct{ magic, format string }{
	{"QFI\xfb\x00\x00\x00\x02", "qcow2"},
	{"QFI\xfb\x00\x00\x00\x03", "qcow2"},
	{"KDMV", "vmdk"},
	{"vhdxfile", "vhdx"},
	{vhdCookie, "vpc"},
}

// others are files that people mistake for disk images, or formats that are
// not taken, with what to do.
var others = []struct {
	off         int
	magic, what string
}{
	{0, "\x1f\x8b", "it is compressed: unpack it with gunzip first"},
	{0, "\xfd7zXZ\x00", "it is compressed: unpack it with unxz first"},
	{0, "\x28\xb5\x2f\xfd", "it is compressed: unpack it with unzstd first"},
	{0, "BZh", "it is compressed: unpack it with bunzip2 first"},
	{0, "PK\x03\x04", "it is a zip archive: unpack it first"},
	{0, "7z\xbc\xaf\x27\x1c", "it is a 7z archive: unpack it first"},
	{257, "ustar", "it is a tar archive (an OVA, perhaps): unpack it and import the disk in it"},
	{0, "# Disk DescriptorFile", vmdkText},
	{0, "COWD", "it is a VMDK of ESX 3: " + makeOne},
	{0, "QFI\xfb", "it is a qcow image of an unknown version: " + makeOne},
	{0, "QED\x00", "it is a QED image: " + makeOne},
	{64, "\x7f\x10\xda\xbe", "it is a VDI image: " + makeOne},
}

const vmdkText = "it is a VMDK descriptor that refers to other files: " + makeOne

const makeOne = "make one qcow2 file of it with `qemu-img convert -O qcow2` first"

// sniff tells the format of a file of size bytes by its magic. Files without
// one are "raw". It refuses what refers to other files.
func sniff(r io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(headBytes, size))
	if _, err := r.ReadAt(head, 0); err != nil {
		return "", err
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.format, inspect(r, f.format, head, size)
		}
	}
	for _, o := range others {
		if len(head) > o.off && bytes.HasPrefix(head[o.off:], []byte(o.magic)) {
			return "", errors.New(o.what)
		}
	}
	if describesVMDK(head) {
		return "", errors.New(vmdkText)
	}
	if hasFooter(r, size) {
		return "vpc", inspectVHD(r, size, false)
	}
	return "raw", nil
}

// describesVMDK goes by what qemu-img takes for a VMDK descriptor when it
// guesses: lines of comment, blank ones, and then the version. It would open
// what the descriptor names.
func describesVMDK(head []byte) bool {
	for line := range bytes.Lines(head) {
		line = bytes.TrimLeft(line, " \r\n")
		if len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("version="))
		}
	}
	return false
}

func inspect(r io.ReaderAt, format string, head []byte, size int64) error {
	switch format {
	case "qcow2":
		return inspectQcow2(r, head)
	case "vpc":
		return inspectVHD(r, size, true)
	}
	return nil
}

// The fields of a qcow2 header that matter here (QEMU, docs/interop/qcow2.txt),
// big-endian:
//
//	 0  4  magic "QFI\xfb"
//	 4  4  version, 2 or 3
//	 8  8  offset of the backing file's name, 0: none
//	16  4  length of that name, at most 1023
//	72  8  incompatible features (version 3); bit 2: external data file
const (
	qcowVersion    = 4
	qcowBacking    = 8
	qcowBackingLen = 16
	qcowFeatures   = 72
	qcowDataFile   = 1 << 2
	qcowHeader2    = 72
	qcowHeader3    = 104
)

// inspectQcow2 refuses references to other files.
func inspectQcow2(r io.ReaderAt, head []byte) error {
	if len(head) < qcowHeader2 {
		return errors.New("the qcow2 image is truncated: its header is incomplete")
	}
	if off := binary.BigEndian.Uint64(head[qcowBacking:]); off != 0 {
		return &ReferenceError{What: "backing file", Name: backingName(r, off, binary.BigEndian.Uint32(head[qcowBackingLen:]))}
	}
	if binary.BigEndian.Uint32(head[qcowVersion:]) < 3 {
		return nil
	}
	if len(head) < qcowHeader3 {
		return errors.New("the qcow2 image is truncated: its header is incomplete")
	}
	if binary.BigEndian.Uint64(head[qcowFeatures:])&qcowDataFile != 0 {
		return &ReferenceError{What: "external data file"}
	}
	return nil
}

func backingName(r io.ReaderAt, off uint64, n uint32) string {
	name := make([]byte, min(n, 1023))
	if off > 1<<62 {
		return ""
	}
	if _, err := r.ReadAt(name, int64(off)); err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(name), "?")
}

// ReferenceError refuses an image that is not whole without another file.
type ReferenceError struct {
	What string // "backing file"
	Name string // "" if unknown
}

func (e *ReferenceError) Error() string {
	name := ""
	if e.Name != "" {
		name = fmt.Sprintf(" %q", e.Name)
	}
	return fmt.Sprintf("it needs its %s%s, and references to other files are not followed: %s", e.What, name, makeOne)
}
