package guestfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inPartitions puts file systems one after the other onto a disk with an MBR,
// or, from the fourth on, with logical partitions.
func inPartitions(t *testing.T, pieces ...[]byte) strict {
	t.Helper()
	disk := make([]byte, 1<<20)
	entry := func(record int64, slot int, kind byte, start, count int64) {
		b := disk[record*512:]
		b[510], b[511] = 0x55, 0xaa
		e := b[446+16*slot:]
		e[4] = kind
		binary.LittleEndian.PutUint32(e[8:], uint32(start))
		binary.LittleEndian.PutUint32(e[12:], uint32(count))
	}
	record, first := int64(0), int64(0)
	for i, p := range pieces {
		at := int64(len(disk) / 512)
		slot := i
		if i >= 3 {
			if slot = 0; i == 3 {
				entry(0, 3, 5, at, 1<<20)
				first = at
			} else {
				entry(record, 1, 5, at-first, 1<<20)
			}
			record = at
			disk = append(disk, make([]byte, 1<<20)...)
			at += 1 << 20 / 512
		}
		disk = append(disk, p...)
		disk = append(disk, make([]byte, -len(p)&(1<<20-1))...)
		entry(record, slot, 0x83, at-record, int64(len(p))/512)
	}
	return strict{t, disk}
}

func extWith(t *testing.T, size, name string) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), []byte(name))
	return load(t, mke2fs(t, dir, size, "-t", "ext4", "-b", "1024", "-I", "256")).b
}

func fatWith(t *testing.T, name string) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), []byte(name))
	return load(t, mformat(t, dir, 4, "-T", "8192", "-h", "16", "-s", "32", "-c", "1")).b
}

func TestChoosesPartition(t *testing.T) {
	boot, root, data := extWith(t, "4M", "vmlinuz"), extWith(t, "2M", "etc/hostname"), extWith(t, "6M", "data")
	fat, esp := fatWith(t, "etc/fat"), fatWith(t, "EFI/x")
	swap := make([]byte, 1<<20)
	copy(swap[4086:], "SWAPSPACE2")
	ntfs := make([]byte, 1<<20)
	copy(ntfs[3:], "NTFS    ")
	for _, tt := range []struct {
		name string
		disk strict
		want int // -1: none
	}{
		{"whole disk", strict{t, root}, 0},
		{"whole disk, FAT", strict{t, esp}, 0},
		{"with /etc, among logical ones", inPartitions(t, esp, swap, data, boot, root), 6},
		{"with /etc, the first", inPartitions(t, root, fat), 1},
		{"with /etc, a FAT", inPartitions(t, data, fat), 2},
		{"largest ext", inPartitions(t, esp, boot, data), 3},
		{"ext before FAT", inPartitions(t, esp, extWith(t, "1M", "x")), 2},
		{"only FAT", inPartitions(t, swap, ntfs, esp), 3},
		{"none", inPartitions(t, swap, ntfs), -1},
	} {
		l, err := tt.disk.list("/")
		if tt.want < 0 {
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "partition 1 holds swap space") || !strings.Contains(err.Error(), "partition 2 holds NTFS") {
				t.Errorf("%s: %v", tt.name, err)
			}
		} else if err != nil || l.Partition != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, l.Place, err)
		}
	}
	s := inPartitions(t, esp, swap, data, boot, root)
	for path, want := range map[string]string{"p1:EFI/x": "EFI/x", "p1:/efi/X": "EFI/x", "p3:data": "data", "p5:/vmlinuz": "vmlinuz", "p6:etc/hostname": "etc/hostname", "etc/hostname": "etc/hostname"} {
		if got, err := s.cat(path); err != nil || got != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{"p2:/": "holds swap space", "p4:/": "no partition 4, but p1 (Linux), p2", "p0:/": "no partition 0", "/data": "in partition 6 (ext4)", "p5:etc": "in partition 5"} {
		if _, err := s.list(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	root[1024+0x70] ^= 1 // the superblock
	if _, err := inPartitions(t, esp, root).list("/etc"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "partition 2: its ext superblock") {
		t.Errorf("the root is damaged: %v", err)
	}
	if _, err := inPartitions(t, root).list("/etc"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("only the root, damaged: %v", err)
	}
}

func TestDiskFails(t *testing.T) {
	root := extWith(t, "2M", "etc/hostname")
	broken := errors.New("broken")
	for after := range 12 {
		d := &failing{strict{t, root}, after, broken}
		c, err := Open(t.Context(), d, int64(len(root)), "/etc/hostname")
		if err == nil {
			_, err = io.ReadAll(c)
			c.Close()
		}
		if d.left >= 0 {
			if err != nil || after < 4 {
				t.Fatalf("after %d reads: %v", after, err)
			}
			break
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d reads: %v", after, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Open(ctx, strict{t, root}, int64(len(root)), "/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(c); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := List(ctx, strict{t, root}, int64(len(root)), "/"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := List(t.Context(), bytes.NewReader(root[:1<<20]), int64(len(root)), "p1:/"); err == nil {
		t.Error("half a disk was listed")
	}
}

// failing is a disk of which only so many reads succeed.
type failing struct {
	strict
	left int
	err  error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return f.strict.ReadAt(p, off)
}

// TestTooLong: a slow disk, or a file system that leads nowhere, ends.
func TestTooLong(t *testing.T) {
	root := extWith(t, "2M", "etc/hostname")
	synctest.Test(t, func(t *testing.T) {
		_, err := List(t.Context(), slow{strict{t, root}}, int64(len(root)), "/etc")
		if !errors.Is(err, errLate) || !strings.Contains(err.Error(), "longer than 30s") {
			t.Errorf("got %v", err)
		}
	})
}

type slow struct{ strict }

func (s slow) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(9 * time.Second)
	return s.strict.ReadAt(p, off)
}

func TestStat(t *testing.T) {
	s := inPartitions(t, fatWith(t, "EFI/x"), extWith(t, "2M", "etc/hostname"))
	size := int64(len(s.b))
	for path, want := range map[string]Type{"p2:/etc": Dir, "/etc/hostname": File, "p1:/EFI/x": File, "p1:/": Dir} {
		if i, err := Stat(t.Context(), s, size, path); err != nil || i.Type != want {
			t.Errorf("%s: %+v, %v", path, i, err)
		}
	}
	if _, err := Stat(t.Context(), s, size, "p1:/etc"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `look for "p1:/etc" in the disk: `) {
		t.Error(err)
	}
}

func TestReaderPanics(t *testing.T) {
	_, err := List(t.Context(), nil, 1<<20, "/")
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}
