package diskcheck

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// maxProgram is the largest program whose needs are read, and maxNeeded how many
// libraries of one are looked for. systemd has 2 MB and some ten.
const (
	maxProgram = 16 << 20
	maxNeeded  = 64
)

// libraryFolders are where ld.so looks without being told (ld.so(8)), and Debian's
// for each processor.
var libraryFolders = []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}

var debianFolders = map[elf.Machine]string{
	elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_386: "i386-linux-gnu", elf.EM_AARCH64: "aarch64-linux-gnu",
	elf.EM_ARM: "arm-linux-gnueabihf", elf.EM_RISCV: "riscv64-linux-gnu",
}

// needs looks for what the system's first program cannot start without: its
// interpreter, and its libraries. An upgrade that broke off leaves them empty.
func (l *look) needs(root guestfs.System, program place) {
	b, err := l.read(program, maxProgram)
	if err != nil {
		return
	}
	if bytes.HasPrefix(b, []byte("#!")) {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		l.add(diagnose.Finding{Name: "init-script", Stops: diagnose.Run, Ends: true, Remedy: "see on its screen what it says; Debian's /sbin/init is a link to /lib/systemd/systemd"},
			"the system's first program, %v, is a script (%s): when it ends, the kernel stops", program, printable(string(line)))
		return
	}
	e, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return // nothing that is known
	}
	f := diagnose.Finding{Name: "init-needs", Stops: diagnose.Run, Sure: true, Ends: true, Remedy: "install its packages again in the system, from a system that runs (Debian: chroot, then dpkg --configure -a and apt-get install --reinstall libc6)"}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > maxWord {
			continue
		}
		name, _ := io.ReadAll(p.Open())
		interpreter := place{root.Number, string(bytes.TrimRight(name, "\x00"))}
		if wrong := l.unusable(interpreter); wrong != "" && path.IsAbs(interpreter.path) {
			l.add(f, "the system's first program, %v, cannot start: %s, which loads its libraries, %s", program, printable(interpreter.String()), wrong)
			return
		}
	}
	libraries, _ := e.ImportedLibraries()
	for _, name := range libraries[:min(len(libraries), maxNeeded)] {
		p, ok := l.library(root, e, name)
		switch wrong := l.unusable(p); {
		case !ok:
			f.Sure = false // ld.so.conf may name other folders
			l.add(f, "the system's first program, %v, needs %s, which is in none of the usual folders", program, printable(name))
		case wrong != "":
			l.add(f, "the system's first program, %v, cannot start: its library %s %s", program, printable(p.String()), wrong)
		default:
			continue
		}
		return
	}
}

// library is where ld.so would find one.
func (l *look) library(root guestfs.System, e *elf.File, name string) (p place, ok bool) {
	var folders []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		if all, err := e.DynString(tag); err == nil {
			folders = append(folders, strings.Split(strings.Join(all, ":"), ":")...)
		}
	}
	if d := debianFolders[e.Machine]; d != "" {
		folders = append(folders, "/lib/"+d, "/usr/lib/"+d)
	}
	for _, folder := range append(folders, libraryFolders...) {
		p = place{root.Number, path.Join(folder, name)}
		if path.IsAbs(folder) && l.exists(p) {
			return p, true
		}
	}
	return place{}, false
}

// unusable says why a file is no program and no library; "" if it may be one.
func (l *look) unusable(p place) string {
	f, err := l.open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return "is not there" + l.instead(p)
	}
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, len(elf.ELFMAG))
	switch _, err := io.ReadFull(f, head); {
	case f.Info.Size == 0:
		return "is empty"
	case err == nil && string(head) != elf.ELFMAG:
		return "is damaged: it does not begin as a program does"
	}
	return ""
}
