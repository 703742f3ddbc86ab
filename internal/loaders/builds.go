package loaders

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"bootes.dev/internal/bootfile"
)

// build is the kind of file that a firmware runs.
type build struct {
	arch    string // as iPXE names it in its releases' folders
	machine uint16 // of the PE header (PE format, "Machine Types"); 0: not a PE file
}

var builds = map[Firmware]build{
	BIOS:  {arch: "i386"},
	EFI32: {"i386", bootfile.I386}, HTTP32: {"i386", bootfile.I386},
	EFI64: {"x86_64", bootfile.X64}, HTTP64: {"x86_64", bootfile.X64},
	EFIARM32: {"arm32", bootfile.ARM32}, HTTPARM32: {"arm32", bootfile.ARM32}, UBootARM32: {"arm32", bootfile.ARM32},
	EFIARM64: {"arm64", bootfile.ARM64}, HTTPARM64: {"arm64", bootfile.ARM64}, UBootARM64: {"arm64", bootfile.ARM64},
	EFIRISCV64: {"riscv64", bootfile.RISCV64}, HTTPRISCV64: {"riscv64", bootfile.RISCV64},
	EFILoong64: {"loong64", bootfile.Loong64}, HTTPLoong64: {"loong64", bootfile.Loong64},
}

// Arch is f's processor, as iPXE names it in its releases' folders.
func (f Firmware) Arch() string { return builds[f].arch }

// RunsOn is what has to be there to run a loader for f.
func (f Firmware) RunsOn() string { return builds[f].runsOn() }

// runsOn is what has to be there to run such a file.
func (b build) runsOn() string {
	switch {
	case b.arch == "":
		return ""
	case b.machine == 0:
		return "BIOS"
	}
	return "UEFI " + bootfile.MachineName(b.machine)
}

// piFile is what every tree of boot files for a Raspberry Pi has. Its name is
// told to nobody: a Pi knows what it wants.
const piFile = "rpi/config.txt"

// names are the loaders that fw can run, the best first: a signed shim, for it
// alone passes Secure Boot; then snponly.efi and undionly.kpxe, which drive the
// NIC through the firmware's own driver, the one that has just been seen to
// work: native drivers sometimes hang when they take over. The folders are
// those of iPXE's releases and of Fedora's packages.
func names(fw Firmware) []string {
	b, ok := builds[fw]
	switch {
	case fw == RaspberryPi:
		return []string{piFile}
	case !ok:
		return nil
	case b.machine == 0:
		return []string{"undionly.kpxe", "x86_64/undionly.kpxe", "i386/undionly.kpxe", "ipxe.pxe"}
	}
	var all []string
	for _, name := range []string{"snponly-shim.efi", "ipxe-shim.efi"} {
		all = append(all, b.arch+"-sb/"+name, name)
	}
	for _, name := range []string{"snponly", "ipxe"} {
		all = append(all, b.arch+"/"+name+".efi", b.arch+"-efi/"+name+".efi", name+".efi", name+"-"+b.arch+".efi")
	}
	return append(all, "ipxe-snponly-"+b.arch+".efi")
}

// IsShim reports whether a loader is one that loads a second, signed one.
func IsShim(name string) bool { return strings.HasSuffix(name, "-shim.efi") }

// secondStages are what a shim loads from its own folder. iPXE's takes "-shim"
// out of its own name where the firmware tells that, and else ipxe.efi
// (ipxe/ipxe issue 1684).
func secondStages(shim string) []string {
	return []string{strings.TrimSuffix(shim, "-shim.efi") + ".efi", path.Join(path.Dir(shim), "ipxe.efi")}
}

var (
	// errOtherKind: a folder may well have loaders for others, too.
	errOtherKind = errors.New("is for another processor or firmware")
	// errUnfit: it looks like what was wanted, and the operator should know.
	errUnfit = errors.New("does not count")
)

// fits says why fw cannot run a file of a folder, nil if it can.
func fits(fsys fs.FS, name string, fw Firmware) error {
	b := builds[fw]
	machine, err := machineOf(fsys, name)
	if err != nil {
		return err
	}
	if fw != RaspberryPi && machine != b.machine {
		return errOtherKind
	}
	if fw != RaspberryPi {
		if err := whole(fsys, name); err != nil {
			return err
		}
	}
	if !IsShim(name) {
		return nil
	}
	for _, second := range secondStages(name) {
		if m, err := machineOf(fsys, second); err == nil && m == machine {
			return nil
		}
	}
	return fmt.Errorf("%s %w: beside it is no %s for it to load", name, errUnfit, path.Base(secondStages(name)[0]))
}

// RunsOn is what has to be there to run a file of the folders; "" if that cannot
// be told from it.
func (f *Folders) RunsOn(name string) string {
	for _, dir := range f.all {
		machine, err := machineOf(dir.FS, name)
		switch ext := path.Ext(name); {
		case err != nil:
			continue
		case machine == 0 && (ext == ".kpxe" || ext == ".pxe" || ext == ".kkpxe" || ext == ".0"):
			return builds[BIOS].runsOn()
		}
		for _, b := range builds {
			if machine != 0 && b.machine == machine {
				return b.runsOn()
			}
		}
		return ""
	}
	return ""
}

// whole says why a file that has the right name is no program, or not all of one.
func whole(fsys fs.FS, name string) error {
	f, err := openRegular(fsys, name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	head := make([]byte, 1024)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if head = head[:n]; bootfile.Text(head) {
		line, _, _ := strings.Cut(strings.TrimSpace(string(head)), "\n")
		return fmt.Errorf("%s %w: it is a text and no program, it begins with %q; copy it anew", name, errUnfit, line[:min(len(line), 40)])
	}
	if want := bootfile.Size(head); info.Size() < want {
		return fmt.Errorf("%s %w: it is cut off, %d bytes are there of at least %d; copy it anew", name, errUnfit, info.Size(), want)
	}
	return nil
}

// machineOf is the machine type in a file's PE header, 0 if it has none.
func machineOf(fsys fs.FS, name string) (uint16, error) {
	f, err := openRegular(fsys, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	head := make([]byte, 1024)
	n, err := io.ReadFull(f, head)
	if err == io.EOF {
		return 0, fmt.Errorf("%s %w: it is empty; copy it anew", name, errUnfit)
	}
	if err != nil && err != io.ErrUnexpectedEOF {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return bootfile.Machine(head[:n]), nil
}
