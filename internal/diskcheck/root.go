package diskcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// commandLine looks at what the kernel is told.
func (l *look) commandLine(k kernel) {
	l.found.CommandLine = printable(strings.Join(k.args, " "))
	for _, a := range k.args {
		if value, ok := strings.CutPrefix(a, "ip="); ok {
			l.fixedAddress(k, value)
		}
	}
}

// option is the last value of an option of the kernel's command line.
func (k kernel) option(name string) (value string) {
	for _, a := range k.args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			value = v
		}
	}
	return value
}

// specs are other ways of writing a name.
var specs = strings.NewReplacer("/dev/disk/by-uuid/", "UUID=", "/dev/disk/by-label/", "LABEL=", "/dev/disk/by-partuuid/", "PARTUUID=")

// opaque are what may hold other file systems, which are not seen here.
var opaque = map[string]bool{"LUKS": true, "LVM": true, "BitLocker": true}

// bySpec finds the file system that root= or an fstab means by UUID, label or
// PARTUUID. A kind of name that is not one of those, or a disk that may hold it where it is not
// seen, is not told of.
func (l *look) bySpec(spec string) (s guestfs.System, told bool) {
	by, target, ok := strings.Cut(specs.Replace(spec), "=")
	target = strings.Trim(target, `"'`)
	if by == "PARTUUID" && target != "" {
		return l.byPartUUID(target)
	}
	if !ok || target == "" || by != "UUID" && by != "LABEL" {
		return s, false
	}
	how := "fs_" + strings.ToLower(by)
	if s, ok := l.bySearch(how, target); ok {
		return s, true
	}
	for _, s := range l.systems {
		if opaque[s.Kind] || strings.Contains(s.Type, "RAID") || strings.Contains(s.Type, "LVM") {
			return guestfs.System{}, false
		}
	}
	return guestfs.System{Partition: none}, true
}

// byPartUUID finds a partition by its entry in the table, which nothing hides.
func (l *look) byPartUUID(target string) (s guestfs.System, told bool) {
	for _, s := range l.systems {
		if told = told || s.PartUUID != ""; strings.EqualFold(s.PartUUID, target) {
			return s, true
		}
	}
	return guestfs.System{Partition: none}, told && !strings.Contains(target, "/") // from which others are counted: PARTNROFF
}

// kernelName is a partition as the kernel names it.
var kernelName = regexp.MustCompile(`^/dev/([shv]d|xvd)[a-z]+[0-9]+$|^/dev/(nvme[0-9]+n|mmcblk)[0-9]+p[0-9]+$`)

// root finds the root file system.
func (l *look) root(k kernel) (guestfs.System, bool) {
	spec := k.option("root")
	s, told := l.bySpec(spec)
	f := diagnose.Finding{Stops: diagnose.Run, Sure: k.sure}
	switch {
	case !told:
		l.guessed = true
		s, ok := l.withEtc()
		if n := kernelName.FindStringSubmatch(spec); ok && n != nil && spec != fmt.Sprintf("/dev/sda%d", s.Number) {
			f.Name, f.Sure, f.Remedy = "root-name", false, "name the root by what is the same everywhere, root=UUID="+printable(s.UUID)
			l.add(f, "line %d of %v has root=%s, a name by the order and kind of disks: by iSCSI they are /dev/sda and on, and the root on this disk seems to be partition %d", k.linux.line, k.config.place, printable(spec), s.Number)
		}
		return s, ok
	case s.Number == none.Number:
		f.Name, f.Remedy = "no-root", "put the right one there (`blkid` shows them; Debian: update-grub)"
		l.add(f, "no file system on its disk is what line %d of %v has for the root, root=%s; there %s", k.linux.line, k.config.place, printable(spec), l.holds(strings.Contains(spec, "PARTUUID=")))
		return s, false
	}
	return s, canRead(s)
}

// withEtc is the first file system that has a folder /etc.
func (l *look) withEtc() (guestfs.System, bool) {
	for _, s := range l.readable() {
		if l.exists(place{s.Number, "/etc"}) {
			return s, true
		}
	}
	return guestfs.System{}, false
}

// holds is what the partitions hold, in words, or what they are called.
func (l *look) holds(byPartUUID bool) string {
	var all []string
	for _, s := range l.systems {
		switch {
		case byPartUUID:
			all = append(all, fmt.Sprintf("partition %d is PARTUUID=%s", s.Number, printable(s.PartUUID)))
		case s.UUID != "":
			all = append(all, fmt.Sprintf("partition %d is UUID=%s (%s)", s.Number, printable(s.UUID), s.Kind))
		case s.Kind != "":
			all = append(all, fmt.Sprintf("partition %d is %s", s.Number, s.Kind))
		case s.Type != "BIOS boot":
			all = append(all, fmt.Sprintf("partition %d holds no file system that is known here", s.Number))
		}
	}
	if len(all) == 0 {
		return "is none that is known here"
	}
	return strings.Join(all, ", ")
}

// inits are what an initramfs starts if it is not told what.
var inits = []string{"/sbin/init", "/etc/init", "/bin/init"}

// init looks for the system's first program.
func (l *look) init(root guestfs.System, k kernel) {
	names := inits
	if own := k.option("init"); strings.HasPrefix(own, "/") {
		names = append([]string{own}, inits...)
	}
	missing := ""
	for _, name := range names {
		p := place{root.Number, name}
		f, err := l.open(p)
		if err == nil {
			empty := f.Info.Size == 0
			f.Close()
			if !empty {
				l.needs(root, p)
				return
			}
			missing = "is empty"
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return
		}
		if missing == "" {
			missing = "is not there" + l.instead(p)
		}
	}
	if l.separate(root, "/usr") {
		return
	}
	l.add(diagnose.Finding{Name: "no-init", Stops: diagnose.Run, Sure: !l.guessed, Remedy: "install it again in the system (Debian: apt-get install --reinstall systemd systemd-sysv)"},
		"the system's first program, %v, %s", place{root.Number, names[0]}, missing)
}
