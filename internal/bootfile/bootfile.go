// Package bootfile tells what a boot file is by its bytes: for which processor
// and firmware it is made, whether it is signed, and which program it is.
package bootfile

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Machine types (PE format, "Machine Types").
const (
	I386    = 0x014c
	ARM32   = 0x01c2
	X64     = 0x8664
	ARM64   = 0xaa64
	RISCV64 = 0x5064
	Loong64 = 0x6264
)

var machineNames = map[uint16]string{
	I386: "IA32", ARM32: "arm32", X64: "x86-64", ARM64: "arm64", RISCV64: "riscv64", Loong64: "loong64",
}

// MachineName is a machine type in words.
func MachineName(machine uint16) string {
	if name, ok := machineNames[machine]; ok {
		return name
	}
	return "an unknown processor"
}

// pe is where the PE header of a file begins: at 3Ch is its offset, there
// "PE\0\0" (PE format, "Signature").
func pe(head []byte) (at int64, ok bool) {
	if len(head) < 0x40 || head[0] != 'M' || head[1] != 'Z' {
		return 0, false
	}
	at = int64(binary.LittleEndian.Uint32(head[0x3c:]))
	return at, at+6 <= int64(len(head)) && string(head[at:at+4]) == "PE\x00\x00"
}

// Machine reads the machine type in the beginning of a file; 0: it is no PE file.
func Machine(head []byte) uint16 {
	at, ok := pe(head)
	if !ok {
		return 0
	}
	return binary.LittleEndian.Uint16(head[at+4:])
}

// Text reports whether a file begins as a text does: an error page that was saved in
// the place of a program.
func Text(head []byte) bool {
	const least = 16
	return len(head) >= least && !slices.ContainsFunc(head, func(b byte) bool { return b < ' ' && b != '\t' && b != '\n' && b != '\r' || b >= 0x7f })
}

// Size is what a PE file has at least, by the sections that its beginning names; 0:
// it is no PE file (PE format, "Section Table").
func Size(head []byte) (size int64) {
	const sectionLen = 40
	at, ok := pe(head)
	if !ok || at+coffLen > int64(len(head)) {
		return 0
	}
	n, optional := int64(binary.LittleEndian.Uint16(head[at+6:])), int64(binary.LittleEndian.Uint16(head[at+20:]))
	for s := at + coffLen + optional; n > 0 && s+sectionLen <= int64(len(head)); n, s = n-1, s+sectionLen {
		if from := int64(binary.LittleEndian.Uint32(head[s+20:])); from > 0 {
			size = max(size, from+int64(binary.LittleEndian.Uint32(head[s+16:])))
		}
	}
	return size
}

// Offsets in the optional header (PE format, "Optional Header Data Directories").
const (
	coffLen       = 24 // signature and COFF header before it
	magicPlus     = 0x20b
	directories   = 96 // of PE32; PE32+ has 16 bytes more
	certificates  = 4  // which directory
	directoryLen  = 8
	plusExtra     = 16
	minCertLength = 8
)

// signed reports whether a PE file carries a signature. Whose, only the firmware
// can say.
func signed(b []byte) bool {
	at, ok := pe(b)
	if !ok || at+coffLen+2 > int64(len(b)) {
		return false
	}
	dir := at + coffLen + directories + certificates*directoryLen
	if binary.LittleEndian.Uint16(b[at+coffLen:]) == magicPlus {
		dir += plusExtra
	}
	if dir+directoryLen > int64(len(b)) {
		return false
	}
	from, n := int64(binary.LittleEndian.Uint32(b[dir:])), int64(binary.LittleEndian.Uint32(b[dir+4:]))
	return n >= minCertLength && from+n <= int64(len(b))
}

// File is what a boot file is.
type File struct {
	Program string // such as "iPXE"; "": it cannot be told
	Machine uint16 // of a PE file, which UEFI runs; 0: none
	Signed  bool   // it carries a signature, which Secure Boot wants
	Script  bool   // a script of iPXE's
}

// IPXE reports whether the file goes on as iPXE.
func (f File) IPXE() bool { return f.Program == ipxe }

const ipxe = "iPXE"

// programs are told by what stands in their files, the first first: shim and
// GRUB name one another.
var programs = []struct{ mark, name string }{
	{"iPXE>", ipxe}, {"http://ipxe.org/", ipxe}, {"iPXE/", ipxe},
	{"PXE->EB:", ipxe}, // its prefix under a BIOS; the rest is compressed
	{"gPXE", "gPXE"},
	{"PXELINUX ", "PXELINUX"},
	{"shim_lock", "shim"}, {"UEFI SHIM", "shim"},
	{"GNU GRUB", "GRUB"}, {"grub_", "GRUB"},
	{"systemd-boot", "systemd-boot"},
	{"wimboot", "wimboot"},
	{"b\x00o\x00o\x00t\x00m\x00g\x00r\x00", "Windows Boot Manager"}, {"BOOTMGR", "Windows Boot Manager"},
	{"HdrS", "Linux"},
}

// Identify tells what a whole file is.
func Identify(b []byte) File {
	if IsScript(b) {
		return File{Program: "iPXE script", Script: true}
	}
	f := File{Machine: Machine(b), Signed: signed(b)}
	for _, p := range programs {
		if bytes.Contains(b, []byte(p.mark)) {
			f.Program = p.name
			break
		}
	}
	return f
}

// IsScript reports whether iPXE takes a file for a script: by its first line.
func IsScript(b []byte) bool {
	return bytes.HasPrefix(b, []byte("#!ipxe")) || bytes.HasPrefix(b, []byte("#!gpxe"))
}

// String is a file in words.
func (f File) String() string {
	name := f.Program
	switch {
	case f.Script:
		return "a script for iPXE"
	case name == "" && f.Machine == 0:
		return "no program that is known here"
	case name == "":
		name = "an EFI program that is not known here"
	}
	if f.Machine == 0 {
		return name
	}
	name += " for UEFI on " + MachineName(f.Machine)
	if f.Signed {
		return name + ", signed"
	}
	return name + ", not signed"
}
