package diskcheck

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// virtioVendor is the PCI vendor of virtio: its cards are driven by one module for
// PCI and one for the network.
const virtioVendor = "1af4"

// What is part of the kernel (Documentation/kbuild/kbuild.rst): the modules' names,
// and what they drive.
const (
	builtinList = "modules.builtin"
	builtinInfo = "modules.builtin.modinfo"
)

// driver looks for the driver of the machine's network card: by the kernel's list of
// what its modules drive, which the system has and an initramfs has only of its own.
func (l *look) driver(k kernel, a *archive) {
	root, ok := l.rootOrEtc(k)
	if !ok || l.machine.Card == "" || a.version == "" {
		return
	}
	f, err := l.open(place{root.Number, "/lib/modules/" + a.version + "/modules.alias"})
	if err != nil {
		return
	}
	defer f.Close()
	want := driversOf(io.LimitReader(f, maxAliases), l.machine.Card)
	for name, text := range a.texts {
		if path.Base(name) == builtinInfo {
			want = append(want, driversOf(strings.NewReader(builtinAliases(text)), l.machine.Card)...)
		}
	}
	l.drivers(k, a, want)
}

// rootOrEtc is the root file system, or what looks like it.
func (l *look) rootOrEtc(k kernel) (guestfs.System, bool) {
	if s, told := l.bySpec(k.option("root")); told && canRead(s) {
		return s, true
	}
	return l.withEtc()
}

// drivers compares the modules that drive the card with those that there are.
func (l *look) drivers(k kernel, a *archive, want []string) {
	if strings.HasPrefix(l.machine.Card, virtioVendor) && slices.ContainsFunc(want, a.has) {
		want = []string{"virtio_net"}
	}
	i := slices.IndexFunc(want, a.has)
	lacks := ""
	if i >= 0 {
		if lacks = a.lacks(want[i], false); lacks == "" {
			l.found.Driver = want[i]
			return
		}
	}
	f := diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: k.sure}
	if lacks != "" {
		f.Remedy = mendModule(want[i])
		l.add(f, "the initramfs %s does not drive its network card %s: %s", strings.Join(k.initrds, " "), l.machine.Card, lacks)
		return
	}
	if len(want) == 0 {
		f.Remedy = "install a kernel that has one (Debian: linux-image-amd64 in place of linux-image-cloud-amd64, and firmware-linux), then update-initramfs -u -k all"
		l.add(f, "the kernel %s has no driver for its network card %s, neither in the initramfs nor in /lib/modules", printable(a.version), l.machine.Card)
		return
	}
	f.Remedy = mendModule(want[0])
	l.add(f, "the initramfs %s lacks the driver of its network card %s, %s", strings.Join(k.initrds, " "), l.machine.Card, strings.Join(want, " or "))
}

func mendModule(name string) string {
	return fmt.Sprintf("echo %s >> /etc/initramfs-tools/modules, or MODULES=most in /etc/initramfs-tools/initramfs.conf, and see that no file of /etc/modprobe.d forbids it; then update-initramfs -u -k all (dracut: --add-drivers %s)", name, name)
}

// lacks says why a module cannot be loaded, by its name or by what it drives; "": it
// can, or that is not known.
func (a *archive) lacks(module string, byName bool) string {
	switch file := a.forbids(module, byName); {
	case file != "" && !a.builtin(module):
		return fmt.Sprintf("%s in it forbids the module %s", printable(file), module)
	case a.tellsBuiltin() && !a.has(module):
		return "it lacks the module " + module
	}
	return ""
}

// forbids is the file that keeps a module from being loaded (modprobe.d(5)): an
// install line that does nothing or, if not by its name, a blacklist.
func (a *archive) forbids(module string, byName bool) string {
	for _, file := range slices.Sorted(maps.Keys(a.texts)) {
		if !modprobed(file) {
			continue
		}
		for line := range strings.Lines(a.texts[file]) {
			f := strings.Fields(line)
			switch {
			case len(f) < 2 || moduleName(f[1]) != module:
			case f[0] == "blacklist" && !byName, f[0] == "install" && len(f) > 2 && (path.Base(f[2]) == "false" || path.Base(f[2]) == "true"):
				return file
			}
		}
	}
	return ""
}

// fileSystems are the modules that mount a kind of file system.
var fileSystems = map[string][]string{"ext2": {"ext4", "ext2"}, "ext3": {"ext4", "ext3"}, "ext4": {"ext4"}, "XFS": {"xfs"}, "btrfs": {"btrfs"}}

// mounter looks for what mounts the root file system. Only an initramfs that tells
// what is part of the kernel tells what is not.
func (l *look) mounter(k kernel, a *archive) {
	s, told := l.bySpec(k.option("root"))
	want := fileSystems[s.Kind]
	if !told || want == nil || !a.tellsBuiltin() || slices.ContainsFunc(want, a.has) {
		return
	}
	l.add(diagnose.Finding{Name: "no-file-system-driver", Stops: diagnose.Run, Sure: k.sure,
		Remedy: fmt.Sprintf("echo %s >> /etc/initramfs-tools/modules, or MODULES=most in /etc/initramfs-tools/initramfs.conf; then update-initramfs -u -k all (dracut: --filesystems %s)", want[0], want[0])},
		"the initramfs %s cannot mount the root file system, partition %d: it lacks the module %s", strings.Join(k.initrds, " "), s.Number, want[0])
}

func (a *archive) has(module string) bool { return a.modules[module] || a.builtin(module) }

func (a *archive) tellsBuiltin() bool {
	for name := range a.texts {
		if path.Base(name) == builtinList {
			return true
		}
	}
	return false
}

// builtin reports whether a module is part of the kernel.
func (a *archive) builtin(module string) bool {
	for name, text := range a.texts {
		if path.Base(name) != builtinList {
			continue
		}
		for line := range strings.Lines(text) {
			file, _, _ := strings.Cut(line[strings.LastIndexByte(line, '/')+1:], ".ko")
			if moduleName(file) == module {
				return true
			}
		}
	}
	return false
}

// maxAliases bounds a modules.alias, of which Debian's has 1.5 MB, and maxDrivers
// those of one card.
const (
	maxAliases = 32 << 20
	maxDrivers = 8
)

// driversOf are the modules that drive a PCI card, by lines like
// "alias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000". Those for all devices of a
// maker are for its network cards only if they are for that class (02), or for any.
func driversOf(r io.Reader, card string) (modules []string) {
	vendor, device, _ := strings.Cut(strings.ToUpper(card), ":")
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(modules) < maxDrivers {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || f[0] != "alias" {
			continue
		}
		rest, ok := strings.CutPrefix(f[1], "pci:v0000"+vendor+"d")
		every := strings.HasPrefix(rest, "*") && (strings.Contains(rest, "bc*") || strings.Contains(rest, "bc02"))
		if !ok || !every && !strings.HasPrefix(rest, "0000"+device+"sv") {
			continue
		}
		if m := moduleName(f[2]); modulePattern.MatchString(m) && !slices.Contains(modules, m) {
			modules = append(modules, m)
		}
	}
	return modules
}

// modulePattern is a module's name, which a remedy has people type.
var modulePattern = regexp.MustCompile(fmt.Sprintf(`^[0-9A-Za-z_]{1,%d}$`, maxModule))

// builtinAliases writes modules.builtin.modinfo, "e1000.alias=pci:…" with a NUL
// behind each, as modules.alias is written.
func builtinAliases(text string) string {
	var b strings.Builder
	for entry := range strings.SplitSeq(text, "\x00") {
		module, rest, _ := strings.Cut(entry, ".")
		if alias, ok := strings.CutPrefix(rest, "alias="); ok {
			fmt.Fprintf(&b, "alias %s %s\n", alias, module)
		}
	}
	return b.String()
}
