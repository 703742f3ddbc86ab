package diskcheck

import (
	"slices"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// mount is a line of /etc/fstab (fstab(5)).
type mount struct {
	line                   int
	spec, at, kind, option string
}

const (
	maxFstab  = 64 << 10
	maxMounts = 256
)

// parseFstab reads an /etc/fstab.
func parseFstab(b []byte) (all []mount) {
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || len(all) == maxMounts {
			continue
		}
		m := mount{line: n, spec: f[0], at: f[1], kind: f[2]}
		if len(f) > 3 {
			m.option = f[3]
		}
		all = append(all, m)
	}
	return all
}

func (m mount) has(options ...string) bool {
	return slices.ContainsFunc(strings.Split(m.option, ","), func(o string) bool { return slices.Contains(options, o) })
}

// value is that of an option, "" if it has none.
func (m mount) value(option string) string {
	for o := range strings.SplitSeq(m.option, ",") {
		if v, ok := strings.CutPrefix(o, option+"="); ok {
			return v
		}
	}
	return ""
}

func (l *look) mounts(root guestfs.System) (p place, all []mount) {
	p = place{root.Number, "/etc/fstab"}
	b, err := l.read(p, maxFstab)
	if err != nil {
		return p, nil
	}
	return p, parseFstab(b)
}

// separate reports whether a folder of the root file system is another one.
func (l *look) separate(root guestfs.System, dir string) bool {
	_, all := l.mounts(root)
	return slices.ContainsFunc(all, func(m mount) bool { return m.at == dir })
}

// fstab looks for file systems that the system wants to mount, and that the disk
// does not have. They may be on other disks, of which nothing is known here: those
// that are named by a label, which computers may share, are left to them.
func (l *look) fstab(root guestfs.System) {
	p, all := l.mounts(root)
	for _, m := range all {
		l.share(root, p, m)
		s, told := l.bySpec(m.spec)
		if !told || s.Number != none.Number || strings.Contains(strings.ToLower(m.spec), "label") || m.has("nofail", "noauto", "_netdev", "x-systemd.automount") {
			continue
		}
		f := diagnose.Finding{Name: diagnose.FindingMount, Stops: diagnose.Run, Remedy: "take the line out, or give it the option nofail"}
		if m.kind == "swap" {
			f.Name = diagnose.FindingSwap
			l.add(f, "line %d of %v names %s for swap space, which is not on its disk: unless it is on another one, the start waits 90 s for it", m.line, p, printable(m.spec))
			continue
		}
		l.add(f, "line %d of %v mounts %s on %s, which is not on its disk: unless it is on another one, the start waits 90 s for it, and then a person at the console (emergency mode)",
			m.line, p, printable(m.spec), printable(m.at))
	}
}
