package golden

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// TestDisk makes a disk with a tiny root file system and reads it back with the
// tools of others.
func TestDisk(t *testing.T) {
	requireBuild(t)
	b := testBuilder(t, Options{Size: minSize})
	if err := os.MkdirAll(b.path("root/boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path("root/boot/hello"), []byte("hello, clone"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.makeDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.installGRUB(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(b.disk())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	checkGPT(t, f)
	checkBIOSGRUB(t, f)

	ext4 := fmt.Sprintf("%s?offset=%d", b.disk(), rootStart*sectorSize)
	output(t, "e2fsck", "-fn", ext4)
	if got := output(t, "debugfs", "-R", "cat /boot/hello", ext4); !strings.Contains(got, "hello, clone") {
		t.Errorf("root file system: %s", got)
	}
	super := output(t, "dumpe2fs", "-h", ext4)
	for _, want := range []string{b.rootUUID.String(), "Filesystem volume name:   root"} {
		if !strings.Contains(super, want) {
			t.Errorf("no %q in:\n%s", want, super)
		}
	}
	for _, bad := range []string{"metadata_csum_seed", "orphan_file"} {
		if strings.Contains(super, bad) {
			t.Errorf("feature %s, which GRUB cannot read", bad)
		}
	}
	if got := output(t, "mdir", "-b", "-i", b.esp(), "::EFI/BOOT"); !strings.Contains(got, "BOOTX64.EFI") {
		t.Errorf("EFI system partition: %s", got)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

func checkGPT(t *testing.T, f *os.File) {
	t.Helper()
	table, err := gpt.Read(file.New(f, true), sectorSize, sectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(file.New(f, true), minSize); err != nil {
		t.Errorf("partition table: %v", err)
	}
	var got []string
	for _, p := range table.Partitions {
		if p.Type != gpt.Unused {
			got = append(got, fmt.Sprintf("%d-%d %s", p.Start, p.End, p.Name))
		}
	}
	want := fmt.Sprintf("2048-4095 BIOS boot,4096-69631 ESP,69632-%d root", minSize/sectorSize-tailLen-1)
	if strings.Join(got, ",") != want {
		t.Errorf("partitions %q, want %q", got, want)
	}
}

// checkBIOSGRUB follows the boot sector to GRUB's core image.
func checkBIOSGRUB(t *testing.T, f *os.File) {
	t.Helper()
	head := make([]byte, (biosStart+2)*sectorSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(head[:bootCodeLen], []byte("GRUB")) || head[510] != 0x55 || head[511] != 0xaa {
		t.Error("no GRUB, or no signature, in sector 0")
	}
	if p := head[446+4]; p != 0xee {
		t.Errorf("first partition in the MBR has type %#x, want the protective ee", p)
	}
	lba := binary.LittleEndian.Uint64(head[bootKernelLBA:])
	if lba != biosStart {
		t.Fatalf("boot.img looks for core.img at sector %d", lba)
	}
	core := head[lba*sectorSize:]
	if !bytes.Contains(core[:sectorSize], []byte("loading")) {
		t.Error("no core.img in the BIOS boot partition")
	}
	if next := binary.LittleEndian.Uint64(core[coreBlockLBA:]); next != biosStart+1 {
		t.Errorf("core.img goes on at sector %d", next)
	}
}
