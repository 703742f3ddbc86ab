// Package loaderstest has folders of loaders for tests: files that begin as real
// ones do, and hold nothing else.
package loaderstest

import (
	"testing/fstest"

	"bootes.dev/internal/bootfile"
)

// KPXE is what BIOS runs.
var KPXE = &fstest.MapFile{Data: []byte("\xea\x05\x00\xc0\x07 a boot sector's kind of program")}

// PE is the beginning of a PE file for a machine type.
func PE(machine uint16) *fstest.MapFile {
	b := make([]byte, 0x86)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	b[0x84], b[0x85] = byte(machine), byte(machine>>8)
	return &fstest.MapFile{Data: b}
}

var x64, ia32, arm64 = PE(bootfile.X64), PE(bootfile.I386), PE(bootfile.ARM64)

// Debian is the folder of Debian 12's package ipxe.
var Debian = fstest.MapFS{"undionly.kpxe": KPXE, "snponly.efi": x64}

// Release is the tree of an iPXE release.
var Release = fstest.MapFS{
	"undionly.kpxe": KPXE, "snponly.efi": x64, "ipxe.efi": x64,
	"x86_64/snponly.efi": x64, "i386/snponly.efi": ia32, "arm64/snponly.efi": arm64,
	"x86_64-sb/snponly-shim.efi": x64, "x86_64-sb/snponly.efi": x64, "x86_64-sb/ipxe.efi": x64,
	"arm64-sb/ipxe-shim.efi": arm64, // and nothing for it to load
}
