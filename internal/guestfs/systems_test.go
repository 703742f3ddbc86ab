package guestfs

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystems compares UUIDs and labels with what makes them.
func TestSystems(t *testing.T) {
	need(t, "e2fsprogs", "mke2fs")
	need(t, "mtools", "mformat")
	need(t, "util-linux", "mkswap")
	const uuid = "6f3e1b3a-2c4d-4e5f-8a9b-0c1d2e3f4a5b"
	made := func(args ...string) []byte {
		path := filepath.Join(t.TempDir(), "fs")
		write(t, path, make([]byte, 1<<20))
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "FILE", path)
		}
		sh(t, args[0], args[1:]...)
		return load(t, path).b
	}
	damaged := made("mke2fs", "-q", "-t", "ext4", "-U", uuid, "FILE", "1m")
	damaged[extSuperAt+sbChecksum] ^= 1
	s := inPartitions(t,
		made("mke2fs", "-q", "-t", "ext4", "-U", uuid, "-L", "root", "FILE", "1m"),
		made("mformat", "-i", "FILE", "-T", "2048", "-h", "16", "-s", "32", "-N", "1234abcd", "-v", "ESP", "::"),
		made("mkswap", "-q", "-U", uuid, "-L", "swap", "FILE"),
		damaged)
	all, err := Systems(t.Context(), s, int64(len(s.b)))
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, want := range []System{{Kind: "ext4", UUID: uuid, Label: "root"}, {Kind: "fat12", UUID: "1234-ABCD"}, {Kind: "swap space", UUID: uuid, Label: "swap"}} {
		if got := all[i]; got.Kind != want.Kind || got.UUID != want.UUID || got.Label != want.Label && want.Label != "" || got.Err != nil || got.Number != i+1 {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := all[3]; !errors.Is(got.Err, ErrCorrupt) || got.UUID != uuid {
		t.Errorf("damaged: %+v", got)
	}
}

func TestSystemOfADiskWithoutPartitions(t *testing.T) {
	b := image(t, "ext2")
	all, err := Systems(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil || len(all) != 1 || all[0].Number != 0 || all[0].Kind != "ext2" {
		t.Errorf("%+v, %v", all, err)
	}
	ntfs := append([]byte("\xeb\x52\x90NTFS    "), make([]byte, 1<<20)...)[:1<<20]
	if all, err := Systems(t.Context(), bytes.NewReader(ntfs), int64(len(ntfs))); err != nil || all[0].Kind != "NTFS" {
		t.Errorf("%+v, %v", all, err)
	}
}
