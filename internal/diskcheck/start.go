package diskcheck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bootes.dev/internal/block"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/guestfs"
)

// none is no partition.
var none = diskimage.Partition{Number: -1}

// GRUB's boot.img (grub-core/boot/i386/pc/boot.S): where its core image begins, in
// sectors, and by what it is known.
const (
	grubCoreLBA = 0x5c
	grubMark    = "GRUB \x00Geom\x00"
)

// bootable looks at what the firmware starts. Package layout tells what firmware
// itself would miss; here is why, and what only the loader misses.
func (l *look) bootable() bool {
	head := make([]byte, block.SectorSize)
	if _, err := l.dev.ReadAt(head, 0); err != nil {
		return false
	}
	code := len(bytes.Trim(head[:440], "\x00")) > 0
	switch s := l.systems[0]; {
	case s.Number != 0 || s.Kind == "" || code:
	case s.Kind == "ISO 9660":
		l.add(diagnose.Finding{Name: "disc-image", Stops: diagnose.Start, Sure: true, Elsewhere: true, Remedy: "import a disk on which a system is installed; a disc is for a drive: bootes image import NAME:TAG FILE.iso --cdrom, then bootes machine attach MACHINE --image NAME:TAG"},
			"it is the image of a disc (CD-ROM or DVD, ISO 9660), such as one to install a system from, and not of a disk")
		return false
	default:
		l.add(diagnose.Finding{Name: "partition-image", Stops: diagnose.Start, Sure: true, Elsewhere: true, Remedy: "import an image of the whole disk (/dev/sda, and not /dev/sda1), with its partition table and its boot loader"},
			"it is the image of a partition, not of a disk: %s begins at its first byte, without a partition table and a boot loader", s.Kind)
		return false
	}
	return l.machine.UEFI || l.core(head)
}

// core looks for the core of a GRUB that the first sector starts.
func (l *look) core(head []byte) bool {
	at := binary.LittleEndian.Uint64(head[grubCoreLBA:])
	if !bytes.Contains(head, []byte(grubMark)) || at == 0 || at >= uint64(l.size/block.SectorSize) {
		return true
	}
	core := make([]byte, block.SectorSize)
	if _, err := l.dev.ReadAt(core, int64(at)*block.SectorSize); err != nil || len(bytes.Trim(core, "\x00")) > 0 {
		return true
	}
	l.add(diagnose.Finding{Name: "no-grub-core", Stops: diagnose.Load, Sure: l.machine.BIOS, Remedy: "install GRUB for BIOS in the system again (Debian: grub-install /dev/sda)"},
		"the boot sector is GRUB's, and the sector that it goes on to, %d, is empty", at)
	return false
}

// damaged tells of file systems that contradict themselves, or are gone.
func (l *look) damaged() {
	only, others := len(l.readable()) == 0, slices.ContainsFunc(l.systems, forLinux)
	for _, s := range l.systems {
		switch {
		case errors.Is(s.Err, guestfs.ErrCorrupt):
			l.add(diagnose.Finding{Name: "damaged", Stops: diagnose.Run, Sure: only, Remedy: "e2fsck -f on it from another system, or a backup; a disk that is copied from a computer that runs is seldom whole: copy it while that is off"},
				"the file system in %v is damaged: %v", partition(s), s.Err)
		case s.Kind == "" && !others && strings.HasPrefix(s.Type, "Linux") && s.Type != "Linux swap":
			l.add(diagnose.Finding{Name: "no-file-system", Stops: diagnose.Load, Remedy: "if it was ext4, e2fsck -b 32768 on it from another system finds a copy of its superblock; or import the image again, from a disk that was copied while its computer was off"},
				"%v is meant for Linux (%s), and holds no file system that is known here; nor does any other", partition(s), s.Type)
		}
	}
}

// forLinux reports whether a partition holds what a Linux may be in.
func forLinux(s guestfs.System) bool {
	return s.Kind != "" && s.Kind != "swap space" && !strings.HasPrefix(s.Kind, "fat")
}

// partition is one in words.
func partition(s guestfs.System) string {
	if s.Number == 0 {
		return "the disk"
	}
	return fmt.Sprintf("partition %d", s.Number)
}

// printable is text of a disk as people can read it.
func printable(text string) string {
	text = shorten(text, maxWord)
	if q := strconv.QuoteToGraphic(text); strings.ContainsAny(q, `\`) || text == "" {
		return q
	}
	return text
}
