package golden

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
)

// grubDir is where Debian's grub-pc-bin and grub-efi-amd64-bin put GRUB.
const grubDir = "/usr/lib/grub/"

// menuSeconds is how long GRUB shows its menu: long enough to press a key.
const menuSeconds = 2

// Fields of GRUB's images, all little-endian.
const (
	bootCodeLen    = 440   // of sector 0, the rest is the partition table's
	bootKernelLBA  = 0x5c  // boot.img: sector of core.img, 8 bytes
	coreBlockLBA   = 0x1f4 // core.img: its second sector, 8 bytes
	coreBlockLen   = 0x1fc // and how many there are from there on, 2 bytes
	coreMaxSectors = biosEnd - biosStart
)

// grubEarly is built into both GRUBs. The disk that they were started from is
// tried first: a PC may hold another disk with a clone of the same image.
const grubEarly = `search.fs_uuid %s root $root
set prefix=($root)/boot/grub
normal
`

type grubTarget string

const (
	biosGRUB grubTarget = "i386-pc"
	efiGRUB  grubTarget = "x86_64-efi"
)

// grubModules is all that the menu needs: the image has no modules as files.
func grubModules(t grubTarget) []string {
	common := []string{
		"part_gpt", "ext2", "fat", "search", "search_fs_uuid", "normal", "configfile", "linux",
		"serial", "terminal", "test", "echo", "minicmd", "ls", "cat", "reboot", "halt", "sleep",
	}
	if t == biosGRUB {
		return append([]string{"biosdisk"}, common...)
	}
	return append(common, "efi_gop", "all_video")
}

// installGRUB puts both GRUBs on the disk.
func (b *builder) installGRUB(ctx context.Context) error {
	core, efi := b.path("core.img"), b.path("BOOTX64.EFI")
	if err := b.makeGRUB(ctx, biosGRUB, core); err != nil {
		return err
	}
	if err := b.makeGRUB(ctx, efiGRUB, efi); err != nil {
		return err
	}
	if err := command(ctx, nil, "mmd", "-i", b.esp(), "::EFI", "::EFI/BOOT"); err != nil {
		return fmt.Errorf("install GRUB for UEFI: %w", err)
	}
	if err := command(ctx, nil, "mcopy", "-i", b.esp(), efi, "::EFI/BOOT/BOOTX64.EFI"); err != nil {
		return fmt.Errorf("install GRUB for UEFI: %w", err)
	}
	if err := b.installBIOS(core); err != nil {
		return fmt.Errorf("install GRUB for BIOS: %w", err)
	}
	return nil
}

func (b *builder) makeGRUB(ctx context.Context, t grubTarget, output string) error {
	early := b.path("early.cfg")
	if err := os.WriteFile(early, fmt.Appendf(nil, grubEarly, b.rootUUID), 0o644); err != nil {
		return fmt.Errorf("make GRUB: %w", err)
	}
	args := append([]string{"-O", string(t), "-d", grubDir + string(t), "-p", "/boot/grub",
		"-c", early, "-o", output}, grubModules(t)...)
	if err := command(ctx, nil, "grub-mkimage", args...); err != nil {
		return fmt.Errorf("make GRUB for %s: %w", t, err)
	}
	return nil
}

// installBIOS does what grub-install would, which wants a block device.
func (b *builder) installBIOS(coreFile string) error {
	boot, err := os.ReadFile(grubDir + string(biosGRUB) + "/boot.img")
	if err != nil {
		return fmt.Errorf("read boot.img: %w", err)
	}
	core, err := os.ReadFile(coreFile)
	if err != nil {
		return fmt.Errorf("read core.img: %w", err)
	}
	if err := linkGRUB(boot, core, biosStart); err != nil {
		return err
	}
	f, err := os.OpenFile(b.disk(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open disk: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteAt(boot[:bootCodeLen], 0); err != nil {
		return fmt.Errorf("write boot.img: %w", err)
	}
	if _, err := f.WriteAt(core, biosStart*sectorSize); err != nil {
		return fmt.Errorf("write core.img: %w", err)
	}
	return nil
}

// linkGRUB tells boot.img where core.img begins, and core.img's first sector,
// which loads the others, where those are.
func linkGRUB(boot, core []byte, lba uint64) error {
	if len(boot) != sectorSize {
		return fmt.Errorf("boot.img has %d bytes, must be %d", len(boot), sectorSize)
	}
	sectors := (len(core) + sectorSize - 1) / sectorSize
	if sectors < 2 || sectors > coreMaxSectors {
		return fmt.Errorf("core.img has %d sectors, must have 2 to %d", sectors, coreMaxSectors)
	}
	binary.LittleEndian.PutUint64(boot[bootKernelLBA:], lba)
	binary.LittleEndian.PutUint64(core[coreBlockLBA:], lba+1)
	binary.LittleEndian.PutUint16(core[coreBlockLen:], uint16(sectors-1))
	return nil
}
