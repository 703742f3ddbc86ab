//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"syscall"
)

// stopsRef is an image whose system stops after some reads, as one does that
// cannot reach its disk without the firmware.
const stopsRef = "stops:1"

// diskMiB is the size of the disks: iPXE under BIOS starts none that is smaller
// than a cylinder of 255 heads and 63 sectors.
const diskMiB = 9

// stops is a boot sector that reads 512 KiB by the firmware and stops.
var stops = []byte{
	0x00: 0x31, 0xc0, // xor ax, ax
	0x02: 0x8e, 0xd8, // mov ds, ax
	0x04: 0x8e, 0xd0, // mov ss, ax
	0x06: 0xbc, 0x00, 0x7c, // mov sp, 7c00
	0x09: 0xb9, 0x10, 0x00, // mov cx, 16
	0x0c: 0x51,             // push cx
	0x0d: 0xbe, 0x80, 0x7c, // mov si, 7c80
	0x10: 0xb4, 0x42, // mov ah, 42: extended read
	0x12: 0xcd, 0x13, // int 13
	0x14: 0x66, 0x83, 0x06, 0x88, 0x7c, 0x40, // add dword [7c88], 64
	0x1a: 0x59,       // pop cx
	0x1b: 0xe2, 0xef, // loop 0c
	0x1d: 0xf4,       // hlt
	0x1e: 0xeb, 0xfd, // jmp 1d
	0x80: 0x10, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x10, 0x01, // 64 blocks from 1 on to 1000:0
	0x1fe: 0x55, 0xaa,
}

// importDisks imports what the faulty machines boot from.
func (f *fixture) importDisks() {
	f.t.Helper()
	f.cli("image", "import", "blank:1", f.disk("blank.raw", diskMiB))
	disk := f.disk("stops.raw", diskMiB)
	file, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(stops, 0); err != nil {
		f.t.Fatal(err)
	}
	f.cli("image", "import", stopsRef, disk)
	f.cli("image", "import", "damaged:1", disk)
	f.cli("image", "import", "rotten:1", disk)
}

// damage does something to the file of an image's blocks while the server is down,
// once it has hashes.
func (f *fixture) damage(ref string, do func(data string) error) {
	f.t.Helper()
	im := f.hashed(ref)
	f.end(syscall.SIGTERM)
	if err := do(filepath.Join(f.dataDir, "layers", im.Layer, "data")); err != nil {
		f.t.Fatal(err)
	}
	f.serve()
}

// flip inverts a sector of a file, as a drive does that returns another one.
func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 512)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	for i := range b {
		b[i] ^= 0xff
	}
	_, err = f.WriteAt(b, at)
	return err
}
