package guestfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mke2fs makes a file system of dir, and returns its path.
func mke2fs(t testing.TB, dir, size string, args ...string) string {
	t.Helper()
	need(t, "e2fsprogs", "mke2fs", "debugfs", "e2fsck")
	img := filepath.Join(t.TempDir(), "ext.img")
	all := append([]string{"-q", "-F"}, args...)
	sh(t, "mke2fs", append(all, "-d", dir, img, size)...)
	return img
}

// TestExtAsMade: what mke2fs was given is what is read, and what debugfs reads.
func TestExtAsMade(t *testing.T) {
	dir := t.TempDir()
	populate(t, dir)
	want := hostTree(t, dir)
	for name, tt := range map[string]struct {
		args  []string
		index bool // have the folders indexed
		sys   string
	}{
		"ext4 as by default":    {[]string{"-t", "ext4"}, false, "ext4"},
		"ext4 as image build's": {[]string{"-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file"}, true, "ext4"},
		"ext4, 1 KiB blocks":    {[]string{"-t", "ext4", "-b", "1024"}, true, "ext4"},
		"ext4, newer features":  {[]string{"-t", "ext4", "-O", "metadata_csum_seed,large_dir,bigalloc,ea_inode", "-b", "4096", "-N", "16384"}, true, "ext4"},
		"ext4, 64 KiB blocks":   {[]string{"-t", "ext4", "-b", "65536", "-N", "8192", "-O", "^has_journal"}, true, "ext4"},
		"ext4, meta_bg":         {[]string{"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"}, true, "ext4"},
		"ext4, no checksums":    {[]string{"-t", "ext4", "-O", "^metadata_csum,^64bit,^flex_bg", "-I", "128"}, true, "ext4"},
		"ext3":                  {[]string{"-t", "ext3"}, true, "ext3"},
		"ext2":                  {[]string{"-t", "ext2", "-b", "1024"}, false, "ext2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := "64M"
			if strings.Contains(name, "64 KiB") {
				size = "300M"
			}
			img := mke2fs(t, dir, size, tt.args...)
			if tt.index {
				sh(t, "sh", "-c", "e2fsck -fyD "+img+"; [ $? -lt 4 ]")
				if !strings.Contains(sh(t, "debugfs", "-R", "htree_dump /big", img), "Entry #") {
					t.Error("the folder has no index")
				}
			}
			s := load(t, img)
			got := ourTree(t, s, "")
			delete(got, "lost+found")
			compare(t, got, want)

			l, err := s.list("/")
			if err != nil || l.Place != (Place{0, tt.sys, false}) {
				t.Errorf("%+v, %v", l.Place, err)
			}
		})
	}
}

func TestExtDetails(t *testing.T) {
	dir := t.TempDir()
	populate(t, dir)
	img := mke2fs(t, dir, "64M", "-t", "ext4")
	sh(t, "debugfs", "-w", "-R", "set_inode_field /block mtime_extra "+fmt.Sprint(123456789<<2|1), img) // mke2fs does not
	s := load(t, img)
	for path, want := range map[string]string{
		"/etc/hostname": "pc14\n", "etc/hostname": "pc14\n", "/etc/os-release": "NAME=\"Boötes\"\n", "/lib/os-release": "NAME=\"Boötes\"\n",
		"/abs": "pc14\n", "/slow": "pc14\n", "/out": "pc14\n", "/n59": "pc14\n", "/n60": "pc14\n", "//self/./self/etc/../etc//hostname": "pc14\n",
		"/../etc/hostname": "pc14\n", "/odd/p2:x": "p2:x", "/empty": "",
	} {
		if got, err := s.cat(path); err != nil || got != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]error{
		"/nowhere": fs.ErrNotExist, "/dangling": fs.ErrNotExist, "/loop": fs.ErrNotExist, "/ring1": fs.ErrNotExist, "/etc/hostname/x": ErrKind, "/etc/hostname/": ErrKind,
		"/etc": ErrKind, "/fifo": ErrKind, "p1:/etc/hostname": fs.ErrNotExist, "/a\x00b": ErrPath, strings.Repeat("x", 5000): ErrPath, strings.Repeat("n", 256): fs.ErrNotExist,
		"p99999999999999999999:/": ErrPath,
	} {
		if got, err := s.cat(path); !errors.Is(err, want) {
			t.Errorf("%.40s: %q, %v", path, got, err)
		}
	}
	l, err := s.list("p0:/block")
	if err != nil || len(l.Entries) != 1 || l.Entries[0] != (Info{Name: "block", Type: File, Size: 4096, Mode: fs.ModeSetgid | 0o600, Modified: time.Unix(5e9, 123456789).UTC()}) {
		t.Errorf("%+v, %v", l.Entries, err)
	}
}

// TestExtAsDebugfs: debugfs reads the same.
func TestExtAsDebugfs(t *testing.T) {
	dir := t.TempDir()
	populate(t, dir)
	img := mke2fs(t, dir, "64M", "-t", "ext4")
	s := load(t, img)
	for _, path := range []string{"/etc/hostname", "/usr/lib/os-release", "/large", "/comb", "/sparse"} {
		out := filepath.Join(t.TempDir(), "out")
		sh(t, "debugfs", "-R", "dump "+path+" "+out, img)
		peer := load(t, out)
		if got, err := s.cat(path); err != nil || got != string(peer.b) {
			t.Errorf("%s: %d bytes, %v; debugfs reads %d", path, len(got), err, len(peer.b))
		}
	}
	var peer, ours []string
	for line := range strings.Lines(sh(t, "debugfs", "-R", "ls -p /big", img)) {
		if f := strings.Split(line, "/"); len(f) > 5 && f[5] != "." && f[5] != ".." {
			peer = append(peer, f[2]+" "+f[5])
		}
	}
	l, err := s.list("/big")
	for _, i := range l.Entries {
		ours = append(ours, fmt.Sprintf("10%04o %s", i.Mode.Perm(), i.Name))
	}
	slices.Sort(peer)
	slices.Sort(ours)
	if err != nil || !slices.Equal(ours, peer) {
		t.Errorf("%v; %d entries, debugfs lists %d: %.100q, %.100q", err, len(ours), len(peer), ours, peer)
	}
}

// TestExtUnwritten: space that was reserved and never written is zeros,
// whatever the disk holds there.
func TestExtUnwritten(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), []byte("x"))
	write(t, filepath.Join(dir, "old"), noise(1<<20, 3))
	img := mke2fs(t, dir, "16M", "-t", "ext4")
	sh(t, "debugfs", "-w", "-R", "rm /old", img)
	sh(t, "debugfs", "-w", "-R", "fallocate /file 1 255", img)
	sh(t, "debugfs", "-w", "-R", "set_inode_field /file size 1000000", img)
	if !strings.Contains(sh(t, "debugfs", "-R", "ex /file", img), "Uninit") {
		t.Fatal("nothing is unwritten")
	}
	got, err := load(t, img).cat("file")
	if want := "x" + strings.Repeat("\x00", 999999); got != want || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestExtUnclean: a file system that was in use says so.
func TestExtUnclean(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "etc/x"), []byte("x"))
	for _, request := range []string{"feature needs_recovery", "set_super_value state 0"} {
		img := mke2fs(t, dir, "16M", "-t", "ext4")
		sh(t, "debugfs", "-w", "-R", request, img)
		s := load(t, img)
		l, err := s.list("/etc")
		if err != nil || !l.Unclean {
			t.Errorf("%s: %+v, %v", request, l.Place, err)
		}
	}
}

func TestExtUnsupported(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), []byte("in the inode"))
	s := load(t, mke2fs(t, dir, "16M", "-t", "ext4", "-O", "inline_data"))
	if _, err := s.cat("file"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("inline data: %v", err)
	}
	need(t, "e2fsprogs", "mke2fs")
	img := filepath.Join(t.TempDir(), "journal")
	sh(t, "mke2fs", "-q", "-F", "-O", "journal_dev", img, "8M")
	if _, err := load(t, img).list(""); !errors.Is(err, ErrUnsupported) {
		t.Errorf("journal device: %v", err)
	}
}

// TestExtDamage: wrong bytes in metadata are found by their checksums, and
// named.
func TestExtDamage(t *testing.T) {
	dir := t.TempDir()
	populate(t, dir)
	img := mke2fs(t, dir, "64M", "-t", "ext4", "-b", "4096")
	number := func(request string, word int) int64 { // of debugfs's last line
		t.Helper()
		out := strings.TrimSpace(sh(t, "debugfs", "-R", request, img))
		fields := strings.Fields(out[strings.LastIndexByte(out, '\n')+1:])
		n, err := strconv.ParseInt(fields[(word+len(fields))%len(fields)], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		return n
	}
	imap := sh(t, "debugfs", "-R", "imap /one", img)
	var inodeBlock, inodeOff int64
	if _, err := fmt.Sscanf(imap[strings.Index(imap, "located at block"):], "located at block %d, offset 0x%x", &inodeBlock, &inodeOff); err != nil {
		t.Fatalf("%q: %v", imap, err)
	}
	for _, tt := range []struct {
		name, path, want string
		at               int64
	}{
		{"superblock", "/", "superblock", 1024 + 0x40},
		{"group descriptor", "/", "group descriptor 0", 4096 + 12},
		{"inode", "/one", "checksum of inode", inodeBlock*4096 + inodeOff + 0x10},
		{"folder", "/etc/hostname", "block of the folder", number("bmap /etc 0", -1)*4096 + 100},
		{"extents", "/comb", "checksum of its extents", number("ex -n /comb", -2)*4096 + 20},
	} {
		s := load(t, img)
		s.b[tt.at] ^= 4
		_, err := s.cat(tt.path)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
