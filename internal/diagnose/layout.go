package diagnose

import (
	"fmt"
	"strings"
)

// defaultLoaders are what UEFI starts from a disk that it has no entry for (UEFI
// 2.10, 3.5.1.1), by the architectures of iPXE's releases.
var defaultLoaders = map[string]string{
	"x86_64": "BOOTX64.EFI", "i386": "BOOTIA32.EFI", "arm64": "BOOTAA64.EFI", "arm32": "BOOTARM.EFI",
	"riscv64": "BOOTRISCV64.EFI", "loong64": "BOOTLOONGARCH64.EFI",
}

// Lacks says what firmware does not find on a disk that begins like this; "" if
// nothing is known to be missing.
func (l Layout) Lacks(fw Firmware) string {
	switch {
	case !l.Seen:
		return ""
	case l.Blank:
		return "it is empty"
	case fw.UEFI:
		return l.lacksEFI(fw)
	case fw.Name != "" && !l.Signature:
		return "its first sector has no boot signature (55 AA)"
	case fw.Name != "" && !l.Code:
		return "its first sector has no boot code"
	}
	return ""
}

func (l Layout) lacksEFI(fw Firmware) string {
	if !l.ESP {
		return "it has no EFI system partition"
	}
	want := defaultLoaders[fw.Arch]
	if l.EFI == nil || want == "" {
		return ""
	}
	for _, name := range l.EFI {
		if strings.EqualFold(name, want) {
			return ""
		}
	}
	return fmt.Sprintf("its EFI system partition has no \\EFI\\BOOT\\%s", want)
}

// startable says of a disk that lacks nothing that its firmware looks for what that is.
func (c Case) startable() (f facts) {
	l := c.Disk.Layout
	if !l.Seen || c.Firmware.Name == "" || l.Lacks(c.Firmware) != "" {
		return l.facts()
	}
	want := defaultLoaders[c.Firmware.Arch]
	f.add(!c.Firmware.UEFI, "its disk begins with what BIOS starts: a boot signature, and boot code")
	f.add(c.Firmware.UEFI && l.EFI != nil && want != "", "its disk has what UEFI starts: \\EFI\\BOOT\\%s in an EFI system partition", want)
	f.add(c.Firmware.UEFI && (l.EFI == nil || want == ""), "its disk has an EFI system partition")
	return f
}

// Facts are what was seen of a disk's beginning.
func (l Layout) Facts() (f []string) { return l.facts() }

func (l Layout) facts() (f facts) {
	if !l.Seen {
		return nil
	}
	if l.Blank {
		return facts{"its first sectors are all zeros"}
	}
	f.add(l.Signature && l.Code, "its first sector has a boot signature and boot code")
	f.add(l.Signature && !l.Code, "its first sector has a boot signature (55 AA), and no boot code")
	f.add(!l.Signature, "its first sector has no boot signature (55 AA)")
	f.add(l.GPT, "it has a GPT")
	f.add(l.ESP, "it has an EFI system partition")
	f.add(len(l.EFI) > 0, "in \\EFI\\BOOT there: %s", strings.Join(l.EFI, " "))
	f.add(l.EFI != nil && len(l.EFI) == 0, "\\EFI\\BOOT there is empty, or not there")
	return f
}
