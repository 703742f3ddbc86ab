package diskcheck

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// Machine is what boots the disk.
type Machine struct {
	UEFI   bool
	BIOS   bool       // neither: it is not known
	Card   string     // PCI vendor and device of its network card, "8086:100e"; "" if not known
	Server netip.Addr // where its disk is; the zero one if not known
	Bits32 bool       // its processor has no 64-bit mode
	Brief  bool       // leave out what takes more than a moment: the content of the initramfs
}

// Bounds of a look, and of what it says.
const (
	longest     = 20 * time.Second
	maxFindings = 12
	maxText     = 1 << 10 // bytes of a finding
	maxWord     = 256     // of what it takes from the disk
)

// Look looks into a disk of size bytes, which is read in whole sectors. What could
// not be read for the server's or ctx's sake is an error; all else is a finding, or
// is not said.
func Look(ctx context.Context, dev io.ReaderAt, size int64, m Machine) (c diagnose.Contents, err error) {
	defer func() { // a fault here, or of a library that unpacks, is no other machine's
		if r := recover(); r != nil {
			c, err = diagnose.Contents{}, fmt.Errorf("look into a disk: its content was not foreseen: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("look into a disk: it took longer than %v", longest))
	defer cancel()
	systems, err := guestfs.Systems(ctx, dev, size)
	if err != nil {
		return diagnose.Contents{}, fmt.Errorf("look into a disk: %w", err)
	}
	l := &look{ctx: ctx, dev: dev, size: size, machine: m, systems: systems, found: diagnose.Contents{Seen: true}}
	l.follow()
	if err := context.Cause(ctx); err != nil {
		return diagnose.Contents{}, err
	}
	return l.found, nil
}

// look is one look into one disk.
type look struct {
	ctx     context.Context
	dev     io.ReaderAt
	size    int64
	machine Machine
	systems []guestfs.System
	found   diagnose.Contents
	guessed bool // which file system is the root
}

// follow goes the way of a boot, as far as it can be followed.
func (l *look) follow() {
	if !l.bootable() {
		return
	}
	l.damaged()
	if l.machine.UEFI && !l.finds() {
		return
	}
	c, ok := l.config()
	if !ok {
		return
	}
	k, ok := l.defaultKernel(c)
	if !ok {
		return
	}
	loads := l.kernel(&k)
	l.found.Loads = l.initramfs(k) && loads
	l.commandLine(k)
	if root, ok := l.root(k); ok {
		l.init(root, k)
		l.fstab(root)
	}
}

// add notes a finding, unless there are many.
func (l *look) add(f diagnose.Finding, format string, args ...any) {
	if len(l.found.Findings) == maxFindings {
		return
	}
	f.Text = shorten(fmt.Sprintf(format, args...), maxText)
	l.found.Findings = append(l.found.Findings, f)
}

// shorten cuts a text off where it has too many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// place is a file in a partition.
type place struct {
	partition int
	path      string
}

// String is the place as `bootes image ls` takes it.
func (p place) String() string { return fmt.Sprintf("p%d:%s", p.partition, p.path) }

// open opens a file.
func (l *look) open(p place) (*guestfs.Content, error) {
	return guestfs.Open(l.ctx, l.dev, l.size, p.String())
}

// exists reports whether there is a file or a folder.
func (l *look) exists(p place) bool {
	_, err := guestfs.Stat(l.ctx, l.dev, l.size, p.String())
	return err == nil
}

// read reads a small file.
func (l *look) read(p place, most int64) ([]byte, error) {
	f, err := l.open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Info.Size > most {
		return nil, fmt.Errorf("%v has %d bytes, more than the %d that are read", p, f.Info.Size, most)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// readable are the partitions whose files can be read.
func (l *look) readable() (all []guestfs.System) {
	return slices.DeleteFunc(slices.Clone(l.systems), func(s guestfs.System) bool { return !canRead(s) })
}

func canRead(s guestfs.System) bool {
	return s.Err == nil && (strings.HasPrefix(s.Kind, "ext") || strings.HasPrefix(s.Kind, "fat"))
}
