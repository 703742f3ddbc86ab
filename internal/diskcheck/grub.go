package diskcheck

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// configs are where GRUB's configuration is, in the root file system or in one that
// is mounted on /boot.
var configs = []string{"/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg"}

// folders without which a partition is not where a configuration is missed.
var folders = []string{"/boot/grub", "/grub", "/boot/grub2", "/grub2"}

// config is GRUB's configuration.
type config struct {
	place
	script
}

// config finds GRUB's configuration, or notes that it is missing where GRUB is.
func (l *look) config() (config, bool) {
	for _, s := range l.readable() {
		for _, name := range configs {
			p := place{s.Number, name}
			b, err := l.read(p, maxScript)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return l.parsed(p, b, err)
		}
	}
	for _, s := range l.readable() {
		for i, dir := range folders {
			p := place{s.Number, dir}
			if !l.exists(p) {
				continue
			}
			l.add(diagnose.Finding{Name: "no-grub-config", Stops: diagnose.Load, Sure: true, Remedy: "make it again in the system (Debian: update-grub)"},
				"GRUB's configuration %s is not there: GRUB shows its prompt, grub>, and waits", place{s.Number, configs[i]})
			return config{}, false
		}
	}
	return config{}, false
}

func (l *look) parsed(p place, b []byte, err error) (config, bool) {
	f := diagnose.Finding{Name: "bad-grub-config", Stops: diagnose.Load, Sure: true, Remedy: "make it again in the system (Debian: update-grub)"}
	if errors.Is(err, guestfs.ErrCorrupt) {
		l.add(f, "GRUB's configuration %s cannot be read: %v", p, err)
		return config{}, false
	}
	if err != nil {
		return config{}, false
	}
	if len(strings.Trim(string(b), "\x00 \t\r\n")) == 0 {
		l.add(f, "GRUB's configuration %s is empty, or all zeros (%d bytes): GRUB shows its prompt, grub>, and waits", p, len(b))
		return config{}, false
	}
	c := config{p, parseScript(b)}
	l.menu(c)
	return c, true
}

// menu notes a menu that waits for a person.
func (l *look) menu(c config) {
	values, worked := c.set("timeout")
	if worked || len(values) == 0 || len(c.entries) == 0 {
		return
	}
	for _, v := range values {
		if v != "-1" {
			return
		}
	}
	l.add(diagnose.Finding{Name: "grub-waits", Stops: diagnose.Load, Sure: true, Remedy: "GRUB_TIMEOUT=5 in /etc/default/grub, then update-grub; or press Enter at the machine"},
		"GRUB's menu waits for ever: %s sets timeout=-1", c.place)
}

// kernel is what the default entry of GRUB's menu starts.
type kernel struct {
	config config
	entry  menuEntry
	sure   bool // that it is this entry

	linux, initrd command
	from          int // partition that its paths are in
	path          string
	initrds       []string
	args          []string // of the kernel
	version       string   // "6.1.0-56-amd64"; "" if not known
}

// maxInitrds is how many archives of one entry are looked at: microcode, and one or
// two more.
const maxInitrds = 8

var (
	linuxCommands  = map[string]bool{"linux": true, "linux16": true, "linuxefi": true}
	initrdCommands = map[string]bool{"initrd": true, "initrd16": true, "initrdefi": true}
)

// defaultKernel finds what GRUB starts by itself.
func (l *look) defaultKernel(c config) (k kernel, ok bool) {
	k.config = c
	if k.entry, k.sure, ok = c.entry(); !ok {
		return k, false
	}
	for _, cmd := range k.entry.commands {
		switch {
		case linuxCommands[cmd.args[0]] && len(cmd.args) > 1:
			k.linux, k.args = cmd, cmd.args[2:]
		case initrdCommands[cmd.args[0]]:
			k.initrd = cmd
		}
	}
	if k.linux.args == nil {
		return k, false
	}
	k.from = l.rootOf(k)
	if k.path, ok = l.path(&k, k.linux.args[1]); !ok {
		return k, false
	}
	for i, name := range k.initrd.args {
		if p, ok := l.path(&k, name); i > 0 && ok && len(k.initrds) < maxInitrds {
			k.initrds = append(k.initrds, p)
		}
	}
	return k, true
}

// rootOf is the partition that GRUB has for its root where the entry ends: the last
// that it searches for and finds, or else that of its configuration.
func (l *look) rootOf(k kernel) int {
	found := k.config.partition
	for _, c := range append(k.config.commands[:len(k.config.commands):len(k.config.commands)], k.entry.commands...) {
		if !strings.HasPrefix(c.args[0], "search") || len(c.args) < 2 {
			continue
		}
		by := strings.TrimPrefix(c.args[0], "search.")
		target := ""
		for _, a := range c.args[1:] {
			switch {
			case a == "--fs-uuid" || a == "-u":
				by = "fs_uuid"
			case a == "--label" || a == "-l":
				by = "fs_label"
			case !strings.HasPrefix(a, "-") && target == "":
				target = a
			}
		}
		if s, ok := l.bySearch(by, target); ok {
			found = s.Number
		}
	}
	return found
}

func (l *look) bySearch(by, target string) (guestfs.System, bool) {
	for _, s := range l.systems {
		switch {
		case by == "fs_uuid" && s.UUID != "" && strings.EqualFold(s.UUID, target), by == "fs_label" && s.Label != "" && s.Label == target:
			return s, true
		}
	}
	return guestfs.System{}, false
}

// path takes a path of GRUB's apart: "(hd0,gpt3)/vmlinuz" names a partition. What a
// script works out is not followed.
func (l *look) path(k *kernel, name string) (string, bool) {
	if device, rest, ok := strings.Cut(name, ")"); ok && strings.HasPrefix(device, "(") {
		switch n, err := partitionOf(device); {
		case device == "($root)":
		case err != nil:
			return "", false
		default:
			k.from = n
		}
		name = rest
	}
	return name, strings.HasPrefix(name, "/") && !strings.Contains(name, "$")
}

// partitionOf is 3 of "(hd0,gpt3".
func partitionOf(device string) (int, error) {
	_, part, _ := strings.Cut(device, ",")
	return strconv.Atoi(strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz"))
}
