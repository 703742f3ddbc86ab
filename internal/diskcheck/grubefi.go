package diskcheck

import (
	"regexp"
	"slices"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// Under UEFI GRUB begins with a configuration of a line or two, built into its program
// or beside it, which says by UUID in which file system the whole one is.
var firstConfigs = []string{"/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/grub.cfg", "/EFI/debian/grub.cfg", "/EFI/ubuntu/grub.cfg"}

// maxLoader is how much of such a program is read, in bytes.
const maxLoader = 8 << 20

// searchLine is that line: "search.fs_uuid UUID root", or with options of search.
var searchLine = regexp.MustCompile(`search(?:\.fs_uuid|[ \t][ -~]{0,200}--fs-uuid)[ \t][ -~]{0,200}?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})`)

// finds reports whether GRUB's EFI program finds its configuration, as far as it can
// be told, and notes it if it does not.
func (l *look) finds() bool {
	var from place
	var missing string
	for _, s := range l.readable() {
		if !strings.HasPrefix(s.Kind, "fat") {
			continue
		}
		for _, name := range firstConfigs {
			p := place{s.Number, name}
			b, err := l.read(p, maxLoader)
			if err != nil {
				continue
			}
			for _, m := range searchLine.FindAllSubmatch(b, maxFindings) {
				if _, ok := l.bySearch("fs_uuid", string(m[1])); ok {
					return true
				}
				from, missing = p, string(m[1])
			}
		}
	}
	if missing == "" || slices.ContainsFunc(l.systems, func(s guestfs.System) bool { return s.Err != nil }) {
		return true
	}
	l.add(diagnose.Finding{Name: "grub-elsewhere", Stops: diagnose.Load, Sure: true, Remedy: "install GRUB for UEFI in the system again (Debian: grub-install --target=x86_64-efi --removable, then update-grub)"},
		"GRUB looks for its configuration in the file system with UUID=%s, as %s says; on its disk %s: GRUB shows its prompt, grub>, and waits", missing, from, l.holds(false))
	return false
}
