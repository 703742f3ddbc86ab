package guestfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mformat makes a FAT file system with the content of dir.
func mformat(t testing.TB, dir string, mib int, args ...string) string {
	t.Helper()
	need(t, "mtools", "mformat", "mcopy")
	img := filepath.Join(t.TempDir(), "fat.img")
	f, err := os.Create(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(mib) << 20); err != nil {
		t.Fatal(err)
	}
	sh(t, "mformat", append(append([]string{"-i", img}, args...), "::")...)
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 {
		sh(t, "mcopy", append(append([]string{"-i", img, "-s", "-Q", "-m"}, names...), "::/")...)
	}
	return img
}

func populateFAT(t testing.TB, dir string, large int) {
	t.Helper()
	for name, content := range map[string][]byte{
		"EFI/BOOT/BOOTX64.EFI": noise(100000, 1), "EFI/debian/grub.cfg": []byte("set root=1\n"), "readme.txt": []byte("read me"), "MiXeD.TxT": nil,
		"A long name, with spaces; and more than one piece.text": []byte("long"), "ünï¢ødé 日本語 𝄞.txt": []byte("unicode"), "LOWER.ext": []byte("1"), "lower.LOW": []byte("2"),
		strings.Repeat("x", 200): []byte("200"), "no extension": nil, "a.b.c.d": []byte("dots"), "large": noise(large, 2), "cluster": noise(4096, 3),
	} {
		write(t, filepath.Join(dir, name), content)
	}
	for i := range 400 {
		write(t, filepath.Join(dir, "many", fmt.Sprintf("file number %d.txt", i)), []byte(fmt.Sprint(i)))
	}
}

// TestFATAsMade: what mcopy was given is what is read, and what mcopy reads.
func TestFATAsMade(t *testing.T) {
	for name, tt := range map[string]struct {
		mib  int
		args []string
		sys  string
	}{
		"FAT12":                   {3, []string{"-T", "4096", "-h", "16", "-s", "32", "-d", "2", "-c", "2"}, "fat12"},
		"FAT16 as image build's":  {33, []string{"-T", "65536", "-h", "16", "-s", "32"}, "fat16"},
		"FAT32":                   {300, []string{"-F", "-T", "600000", "-h", "16", "-s", "32"}, "fat32"},
		"FAT32, small":            {40, []string{"-F", "-T", "80000", "-h", "16", "-s", "32", "-c", "1"}, "fat32"},
		"FAT16, sectors of 2 KiB": {64, []string{"-T", "32768", "-h", "16", "-s", "32", "-S", "4", "-c", "2"}, "fat16"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			populateFAT(t, dir, tt.mib<<20/8)
			img := mformat(t, dir, tt.mib, tt.args...)
			back := t.TempDir()
			sh(t, "mcopy", "-i", img, "-s", "-Q", "-m", "::/*", back)
			want := hostTree(t, back)
			for path, what := range hostTree(t, dir) {
				if !strings.HasPrefix(path, "ünï") && !strings.HasSuffix(want[path], what[10:]) { // mtools is not sure of names
					t.Errorf("mcopy: %q: %s, was %s", path, want[path], what)
				}
			}
			s := load(t, img)
			got := ourTree(t, s, "")
			for path := range want { // mcopy's modes are its own
				_, want[path], _ = strings.Cut(want[path], " ")
			}
			for path := range got {
				_, got[path], _ = strings.Cut(got[path], " ")
			}
			compare(t, got, want)
			l, err := s.list("/")
			if err != nil || l.Place != (Place{0, tt.sys, false}) {
				t.Errorf("%+v, %v", l.Place, err)
			}
		})
	}
}

func TestFATDetails(t *testing.T) {
	dir := t.TempDir()
	populateFAT(t, dir, 1<<20)
	when := time.Date(2024, 2, 29, 12, 34, 56, 0, time.Local)
	if err := os.Chtimes(filepath.Join(dir, "readme.txt"), when, when); err != nil {
		t.Fatal(err)
	}
	img := mformat(t, dir, 33, "-T", "65536", "-h", "16", "-s", "32", "-v", "LABEL")
	sh(t, "mattrib", "-i", img, "+r", "::/readme.txt")
	sh(t, "mdel", "-i", img, "::/cluster")
	s := load(t, img)
	for _, path := range []string{"/efi/boot/bootx64.efi", "EFI/BOOT/../BOOT/./BOOTX64.EFI", "A long name, with SPACES; and more than one piece.TEXT", "ALONGN~1.TEX", "/lower.ext"} {
		want := sh(t, "mtype", "-i", img, "::/"+strings.Replace(path, "../BOOT/./", "", 1))
		if got, err := s.cat(path); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v; mtype reads %d", path, len(got), err, len(want))
		}
	}
	for path, want := range map[string]error{
		"/cluster": fs.ErrNotExist, "LABEL": fs.ErrNotExist, "EFI": ErrKind, "readme.txt/x": ErrKind, "nowhere/x": fs.ErrNotExist,
	} {
		if got, err := s.cat(path); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	l, err := s.list("README.TXT")
	want := Info{Name: "README.TXT", Type: File, Size: 7, Mode: 0o444, Modified: time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)}
	if err != nil || len(l.Entries) != 1 || l.Entries[0] != want {
		t.Errorf("%+v, %v", l.Entries, err)
	}
	s.b[fatState16] |= fatDirty
	if l, err = s.list("/"); err != nil || !l.Unclean {
		t.Errorf("in use: %+v, %v", l.Place, err)
	}
}

// TestFATRings: chains without an end, end.
func TestFATRings(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub/file"), nil)
	write(t, filepath.Join(dir, "file"), noise(20000, 1))
	img := mformat(t, dir, 33, "-T", "65536", "-h", "16", "-s", "32")
	s := load(t, img)
	fat := int(binary.LittleEndian.Uint16(s.b[fatReserved:])) * 512
	for cluster := 2; cluster < 40; cluster++ {
		binary.LittleEndian.PutUint16(s.b[fat+2*cluster:], 2+uint16(cluster-1)%38)
	}
	if _, err := s.list("sub"); !errors.Is(err, ErrCorrupt) && err != nil {
		t.Errorf("folder: %v", err)
	}
	if _, err := s.list("sub/nothing"); err == nil {
		t.Error("found nothing")
	}
	if b, err := s.cat("file"); err != nil || len(b) != 20000 {
		t.Errorf("file: %d bytes, %v", len(b), err)
	}
	for _, next := range []uint16{0, 1, 0xfff0, 0xfff7} {
		for cluster := 2; cluster < 40; cluster++ {
			binary.LittleEndian.PutUint16(s.b[fat+2*cluster:], next)
		}
		if _, err := s.cat("file"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("followed by %#x: %v", next, err)
		}
	}
	for cluster := 2; cluster < 40; cluster++ {
		binary.LittleEndian.PutUint16(s.b[fat+2*cluster:], 0xffff)
	}
	if _, err := s.cat("file"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("chain too short: %v", err)
	}
}

// TestFATNames: what short and long names may hold.
func TestFATNames(t *testing.T) {
	for name, want := range map[string]string{
		"README  TXT": "README.TXT", "A          ": "A", "\x05BC     \x81  ": "σBC.ü", "A/B     C\x00 ": "A_B.C_",
	} {
		if got := shortName([]byte(name + "\x20\x00")); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
	if got := shortName([]byte("README  TXT\x20\x18")); got != "readme.txt" {
		t.Errorf("lower case: %q", got)
	}
	piece := func(number byte, text string) []byte {
		e := make([]byte, direntFAT)
		e[0], e[11] = number, attrLong
		for i, off := range [13]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
			if i < len(text) {
				e[off] = text[i]
			}
		}
		return e
	}
	short := append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 21)...) // checksum 0
	for _, tt := range []struct {
		want   string
		pieces [][]byte
	}{
		{"abc", [][]byte{piece(0x41, "abc")}},
		{"0123456789012ab", [][]byte{piece(0x42, "ab"), piece(0x01, "0123456789012")}},
		{"", [][]byte{piece(0x42, "ab")}},
		{"", [][]byte{piece(0x01, "ab")}},
		{"", [][]byte{piece(0x43, "ab"), piece(0x01, "ab")}},
		{"", [][]byte{piece(0x7f, "ab")}},
		{"", [][]byte{piece(0x40, "ab")}},
		{"", [][]byte{piece(0x41, "a/b")}},
		{"", [][]byte{piece(0x41, "..")}},
		{"new", [][]byte{piece(0x43, "ab"), piece(0x41, "new")}},
	} {
		var l longName
		for _, p := range tt.pieces {
			l.add(p)
		}
		if got := l.take(short); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if got := l.take(short); got != "" {
			t.Errorf("twice: %q", got)
		}
	}
}
