package iscsi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootes.dev/internal/scsi"
)

// libiscsi and QEMU find a CD-ROM, and QEMU reads the disc, in its own blocks and
// in smaller ones.
func TestCDROM(t *testing.T) {
	disc := newMemory(3<<20 + 2048)
	content := random(3<<20 + 2048)
	if _, err := disc.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	unit := scsi.NewCDROM(disc, scsi.Identity{Vendor: "BOOTES", Product: "CD-ROM", Revision: "1"})
	a := prover{authority: newAuthority(nil), secret: "another secret 22"}
	_, addr := serve(t, Options{Authority: unitsAuthority{a, map[string]Units{testTarget: {3: {Disk: unit}}}}})
	u := url(addr, account, testTarget+"/3")
	back := filepath.Join(t.TempDir(), "back")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"iscsi-ls", "-s", url(addr, account, "")}, "Lun:3    Type:MMC"},
		{[]string{"iscsi-inq", u}, "Peripheral Device Type:MMC\nRemovable:1"},
		{[]string{"iscsi-readcapacity16", u}, "LOGICAL BLOCK LENGTH IN BYTES:2048"},
		{[]string{"qemu-io", "-r", "-f", "raw", "-c", "read -v 512 16", u}, "read 16/16 bytes at offset 512"},
		{[]string{"qemu-img", "convert", "-f", "raw", "-O", "raw", u, back}, ""},
	} {
		if out, err := tool(t, c.args[0], c.args[1:]...); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: %v\n%s", c.args, err, out)
		}
	}
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was read is something else (%v, %d bytes)", err, len(got))
	}
}

// QEMU writes and reads a disk that has 4 KiB blocks only. Not more than 32 KiB at
// once: QEMU 7.2 asks for the status of 2^31-512 bytes then, and aborts because that
// is no number of blocks.
func TestQEMUOnBigBlocks(t *testing.T) {
	disk := newMemory(16 << 20)
	unit := scsi.NewDisk(disk, scsi.Identity{Vendor: "BOOTES", Product: "DISK", Revision: "1", BlockSize: 4096})
	a := prover{authority: newAuthority(nil), secret: "another secret 22"}
	_, addr := serve(t, Options{Authority: unitsAuthority{a, map[string]Units{testTarget: {0: {Disk: unit}}}}})
	u := url(addr, account, testTarget+"/0")
	out, err := tool(t, "qemu-io", "-f", "raw", "-t", "none", "-c", "write -P 0x5a 4k 3M", "-c", "discard 1M 64k", "-c", "flush",
		"-c", "read -P 0 1M 16k", "-c", "read -P 0x5a 2M 16k", u)
	if err != nil || strings.Contains(out, "failed") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := disk.bytes(4096, 8192); !bytes.Equal(got, bytes.Repeat([]byte{0x5a}, len(got))) || len(got) == 0 {
		t.Error("the disk holds something else")
	}
}
