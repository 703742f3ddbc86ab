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

// missingError names what a build lacks and the package that brings it. It is
// an exec.ErrNotFound.
type missingError struct{ what, name, pkg string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%s %q is missing: apt install %s", e.what, e.name, e.pkg)
}

func (e *missingError) Unwrap() error { return exec.ErrNotFound }

// requirements reports all that is missing, each with its remedy.
func requirements() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("must run as root, to install packages into a new system"))
	}
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			errs = append(errs, &missingError{"program", n.program, n.pkg})
		}
	}
	for _, n := range neededFiles {
		if _, err := os.Stat(n.file); err != nil {
			errs = append(errs, &missingError{"file", n.file, n.pkg})
		}
	}
	return errors.Join(errs...)
}
