package guestfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"bootes.dev/internal/diskimage"
)

// mounted is a file system in its place.
type mounted struct {
	place  Place
	sys    fileSystem
	size   int64
	unread faults // of other partitions
}

func (m *mounted) explain(err error) error {
	if m.place.Partition != 0 {
		err = fmt.Errorf("in partition %d (%s): %w", m.place.Partition, m.place.System, err)
	}
	if errors.Is(err, fs.ErrNotExist) && len(m.unread) > 0 {
		err = fmt.Errorf("%w (and %v)", err, m.unread)
	}
	return err
}

// find follows path in the partition that it names, or that is chosen. i is
// what is known of n, with the last name of the path.
func find(d *disk, path string) (m *mounted, n node, i Info, err error) {
	partition, rest, err := parsePath(path)
	if err != nil {
		return nil, nil, i, err
	}
	if m, err = mount(d, partition); err != nil {
		return nil, nil, i, err
	}
	if n, err = walk(m.sys, rest); err != nil {
		return nil, nil, i, m.explain(err)
	}
	i = n.info()
	i.Name = rest[strings.LastIndexByte(rest, '/')+1:]
	return m, n, i, nil
}

func mount(d *disk, partition int) (*mounted, error) {
	parts, err := diskimage.Partitions(d.r, d.size)
	if err != nil {
		return nil, err
	}
	whole := diskimage.Partition{Size: d.size}
	if len(parts) == 0 {
		parts = []diskimage.Partition{whole}
	}
	if partition != anyPartition {
		return mountNumber(d, parts, partition)
	}
	m, unread := choose(d, parts)
	if m == nil && parts[0] != whole {
		m, _ = choose(d, []diskimage.Partition{whole})
	}
	if m == nil {
		return nil, fmt.Errorf("no file system that can be read: %w", unread)
	}
	m.unread = unread
	return m, context.Cause(d.ctx)
}

// faults are why partitions cannot be read.
type faults []error

func (f faults) Error() string {
	var words []string
	for _, err := range f {
		words = append(words, err.Error())
	}
	return strings.Join(words, "; ")
}

func (f faults) Unwrap() []error { return f }

func mountNumber(d *disk, parts []diskimage.Partition, number int) (*mounted, error) {
	var have []string
	for _, p := range parts {
		if p.Number == number {
			return mountPart(d, p)
		}
		have = append(have, fmt.Sprintf("p%d (%s)", p.Number, p.Type))
	}
	if parts[0].Number == 0 {
		return nil, fmt.Errorf("there is no partition %d, because there is no partition table: %w", number, fs.ErrNotExist)
	}
	return nil, fmt.Errorf("there is no partition %d, but %s: %w", number, strings.Join(have, ", "), fs.ErrNotExist)
}

// choose applies the rule of the package comment. unread tells of partitions
// that hold something that could not be read.
func choose(d *disk, parts []diskimage.Partition) (best *mounted, unread faults) {
	better := func(m *mounted) bool {
		ext, bestExt := strings.HasPrefix(m.place.System, "ext"), strings.HasPrefix(best.place.System, "ext")
		return ext && !bestExt || ext == bestExt && m.size > best.size
	}
	for _, p := range parts {
		m, err := mountPart(d, p)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		if etc, err := walk(m.sys, "etc"); err == nil && etc.info().Type == Dir {
			return m, unread
		}
		if best == nil || better(m) {
			best = m
		}
	}
	return best, unread
}

// errNone: nothing of the kind begins here.
var errNone = errors.New("no such file system")

func mountPart(d *disk, p diskimage.Partition) (*mounted, error) {
	part := piece{d, p.Start, p.Size}
	sys, err := openExt(part)
	if errors.Is(err, errNone) {
		sys, err = openFAT(part)
	}
	name := "the disk"
	if p.Number != 0 {
		name = fmt.Sprintf("partition %d", p.Number)
	}
	switch {
	case errors.Is(err, errNone):
		return nil, fmt.Errorf("%s holds %s: %w", name, whatElse(part, p.Type), ErrUnsupported)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &mounted{Place{p.Number, sys.system(), sys.unclean()}, sys, p.Size, nil}, nil
}

// others are what else partitions hold.
var others = []struct {
	at          uint64
	magic, name string
}{
	{3, "NTFS    ", "NTFS"},
	{3, "EXFAT   ", "exFAT"},
	{3, "-FVE-FS-", "BitLocker"},
	{0, "XFSB", "XFS"},
	{0x10040, "_BHRfS_M", "btrfs"},
	{0, "LUKS\xba\xbe", "LUKS"},
	{512 + 24, "LVM2 001", "LVM"},
	{4096 - 10, "SWAPSPACE2", "swap space"},
	{0, "hsqs", "squashfs"},
	{0x8001, "CD001", "ISO 9660"},
}

const unknownSystem = "something unknown"

// whatElse says what a partition holds that is not read.
func whatElse(p piece, kind string) string {
	for _, o := range others {
		b := make([]byte, len(o.magic))
		if p.read(b, o.at) == nil && string(b) == o.magic {
			return o.name
		}
	}
	if kind != "" {
		return unknownSystem + " (" + kind + ")"
	}
	return unknownSystem
}
