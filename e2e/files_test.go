//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestBadWire boots a plain ROM over a wire that loses, delays and swaps.
func TestBadWire(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	f.cli("machine", "add", "pc1", "--mac", "52:54:00:00:00:01", "--image", imageRef, "--ephemeral")
	wire := &lab.Netem{Loss: 0.05, Reorder: 0.05, Delay: 5 * time.Millisecond, Seed: 1}
	pc := f.computer(lab.GuestOptions{Name: "pc1", MAC: "52:54:00:00:00:01", PlainROM: true, Filters: []lab.Filter{wire}})
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.transfers(ctx, "pc1", "undionly.kpxe")
	f.waitFor(ctx, "pc1", "undionly.kpxe sent by TFTP")
	f.waitFor(ctx, "pc1", "script made")
	f.waitFor(ctx, "pc1", "first read")
	for wire.Count(lab.ToGuest).Overtook == 0 && ctx.Err() == nil { // TFTP has one packet on its way at a time; TCP has more
		time.Sleep(50 * time.Millisecond)
	}
	to, from := wire.Count(lab.ToGuest), wire.Count(lab.FromGuest)
	t.Logf("to the guest %+v, from it %+v", to, from)
	if to.Lost == 0 || from.Lost == 0 || to.Overtook == 0 {
		t.Errorf("the wire was too good: to the guest %+v, from it %+v", to, from)
	}
}

// transfers waits until a machine is half way through a file.
func (f *fixture) transfers(ctx context.Context, machine, file string) {
	f.t.Helper()
	var last api.Transfer
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		var all []api.LatestBoot
		f.json(&all, "boot", "ls")
		for _, b := range all {
			if b.Machine == machine && b.Transfer != nil {
				last = *b.Transfer
			}
		}
		if last.Name == file && last.Done >= last.Size/2 {
			f.t.Logf("%s: %+v", machine, last)
			return
		}
	}
	f.t.Errorf("%s was not seen to be sent half of %s: %+v", machine, file, last)
}

// TestBootISO boots a disc image from a mirror: iPXE under both firmwares reads
// the blocks that it needs by HTTP (sanboot), and UEFI HTTP boot takes it whole
// into a RAM disk.
func TestBootISO(t *testing.T) {
	t.Parallel()
	lab.Require(t, "genisoimage", "grub-mkimage", "mformat", "dnsmasq")
	isos := t.TempDir()
	f := prepare(t, "\n  - {name: br0, dhcp: off}\nhttp: {mirrors: {isos: "+isos+"}}\n")
	f.serve()
	bootDisc(t, f, filepath.Join(isos, "hello.iso"))
	script := "#!ipxe\nsanboot --no-describe http://10.77.0.1/files/isos/hello.iso\n"
	if err := os.WriteFile(filepath.Join(isos, "boot.ipxe"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	f.otherServer("52:54:00:00:00:02", "10.77.0.2", "10.77.0.50", "10.77.0.90", "--no-ping",
		"--dhcp-match=set:ipxe,175", "--dhcp-match=set:uefi,option:client-arch,7", "--dhcp-match=set:http,option:client-arch,16",
		"--dhcp-boot=tag:ipxe,http://10.77.0.1/files/isos/boot.ipxe",
		"--dhcp-boot=tag:uefi,tag:!ipxe,snponly.efi,,10.77.0.1",
		"--dhcp-boot=tag:http,http://10.77.0.1/files/isos/hello.iso", "--dhcp-option-force=tag:http,60,HTTPClient")
	for name, o := range map[string]lab.GuestOptions{
		"sanboot, BIOS":  {Name: "bios", MAC: "52:54:00:00:00:11"},
		"sanboot, UEFI":  {Name: "uefi", MAC: "52:54:00:00:00:12", Firmware: lab.UEFI},
		"UEFI HTTP boot": {Name: "http", MAC: "52:54:00:00:00:13", Firmware: lab.UEFI, ExtraArgs: lab.NoPXE},
	} {
		t.Run(name, func(t *testing.T) {
			during(t, f)
			pc := f.computer(o)
			if err := pc.PowerOn(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer pc.PowerOff()
			if err := pc.expect(t.Context(), 2*time.Minute, `the disc says hello`); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// discLoader is what a PC runs from a disc (El Torito, no emulation): it reads
// the block behind its own, whose number the maker of the disc has written at
// 12, and prints the text there.
var discLoader = []byte{
	0x00: 0xeb, 0x3e, // jmp 40; from 8 on is mkisofs's boot information table
	0x40: 0x31, 0xc0, // xor ax, ax
	0x42: 0x8e, 0xd8, // mov ds, ax
	0x44: 0x8e, 0xc0, // mov es, ax
	0x46: 0x8e, 0xd0, // mov ss, ax
	0x48: 0xbc, 0x00, 0x7c, // mov sp, 7c00
	0x4b: 0xfc,                   // cld
	0x4c: 0x66, 0xa1, 0x0c, 0x7c, // mov eax, [7c0c]
	0x50: 0x66, 0x40, // inc eax
	0x52: 0x66, 0xa3, 0x88, 0x7c, // mov [7c88], eax
	0x56: 0xbe, 0x80, 0x7c, // mov si, 7c80
	0x59: 0xb4, 0x42, // mov ah, 42: extended read
	0x5b: 0xcd, 0x13, // int 13
	0x5d: 0x72, 0x11, // jc 70
	0x5f: 0xbe, 0x00, 0x80, // mov si, 8000
	0x62: 0xac,       // lodsb
	0x63: 0x84, 0xc0, // test al, al
	0x65: 0x74, 0x09, // jz 70
	0x67: 0xb4, 0x0e, // mov ah, 0e: teletype
	0x69: 0xbb, 0x07, 0x00, // mov bx, 7
	0x6c: 0xcd, 0x10, // int 10
	0x6e: 0xeb, 0xf2, // jmp 62
	0x70: 0xf4,       // hlt
	0x71: 0xeb, 0xfd, // jmp 70
	0x80: 0x10, 0x00, 0x01, 0x00, 0x00, 0x80, 0x00, 0x00, // one block to 0:8000
}

// bootDisc makes a disc that starts on PCs of both kinds, and says hello.
func bootDisc(t *testing.T, f *fixture, path string) {
	t.Helper()
	dir := t.TempDir()
	loader := make([]byte, 4096)
	copy(loader, discLoader)
	const hello = "the disc says hello\r\nand stops\r\n" // the last character may stay in SeaBIOS
	copy(loader[2048:], hello)
	const grub = "search --file /hello.txt --set root\ncat /hello.txt\n"
	for name, content := range map[string]string{"loader.bin": string(loader), "hello.txt": hello, "grub.cfg": grub} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	uefi := filepath.Join(dir, "uefi.img")
	for _, args := range [][]string{
		{"grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", filepath.Join(dir, "grub.cfg"), "-o", filepath.Join(dir, "grub.efi"), "iso9660", "search", "cat", "normal"},
		{"mformat", "-C", "-f", "1440", "-i", uefi, "::"},
		{"mmd", "-i", uefi, "::EFI", "::EFI/BOOT"},
		{"mcopy", "-i", uefi, filepath.Join(dir, "grub.efi"), "::EFI/BOOT/BOOTX64.EFI"},
		{"genisoimage", "-quiet", "-o", path, "-b", "loader.bin", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
			"-eltorito-alt-boot", "-e", "uefi.img", "-no-emul-boot", dir},
	} {
		if out, err := f.Net.Run(t.Context(), args[0], args[1:]...); err != nil {
			t.Fatal(fmt.Errorf("make disc: %w: %s", err, out))
		}
	}
}
