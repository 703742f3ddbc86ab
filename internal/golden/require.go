package golden

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// needed lists what a build uses and the Debian package that brings it.
var needed = []struct{ program, pkg string }{
	{"mmdebstrap", "mmdebstrap"},
	{"grub-mkimage", "grub-common"},
	{"mke2fs", "e2fsprogs"},
	{"mformat", "mtools"},
	{"mmd", "mtools"},
	{"mcopy", "mtools"},
}

var neededFiles = []struct{ file, pkg string }{
	{grubDir + "i386-pc/boot.img", "grub-pc-bin"},
	{grubDir + "x86_64-efi/modinfo.sh", "grub-efi-amd64-bin"},
	{keyring, "debian-archive-keyring"},
}

// requirements reports all that is missing, each with its remedy.
func requirements() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("must run as root, to install packages into a new system"))
	}
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			errs = append(errs, fmt.Errorf("program %q is missing: apt install %s: %w", n.program, n.pkg, exec.ErrNotFound))
		}
	}
	for _, n := range neededFiles {
		if _, err := os.Stat(n.file); err != nil {
			errs = append(errs, fmt.Errorf("file %q is missing: apt install %s: %w", n.file, n.pkg, exec.ErrNotFound))
		}
	}
	return errors.Join(errs...)
}
