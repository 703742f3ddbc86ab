package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"bootes.dev/internal/api"
	"bootes.dev/internal/guestfs"
)

func TestFileOfTheAPI(t *testing.T) {
	e := apiFile(guestfs.Info{Name: "x", Type: guestfs.Other, Mode: fs.ModeDir | fs.ModeSticky | fs.ModeSetuid | fs.ModeSetgid | 0o751, Err: errors.New("bad checksum")})
	if e.Mode != 0o7751 || e.Error != "bad checksum" || e.Type != api.TypeOther {
		t.Errorf("%+v", e)
	}
	if e := apiFile(guestfs.Info{Mode: 0o644}); e.Mode != 0o644 || e.Error != "" {
		t.Errorf("%+v", e)
	}
}

// What was in use may be behind what its machine has seen: that is said, but
// not where a program reads.
func TestUncleanFileSystem(t *testing.T) {
	w := newLab()
	w.content = "pc01\n"
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	const rest = " is in use, or was not closed in good order: its newest changes may be missing here\n"
	for _, tt := range []struct {
		place      api.Place
		args, note string
	}{
		{api.Place{Partition: 2, System: "ext4"}, "volume cat pc01:/etc/hostname", ""},
		{api.Place{Partition: 2, System: "ext4", Unclean: true}, "volume cat pc01:/etc/hostname", "note: the ext4 file system in partition 2" + rest},
		{api.Place{System: "fat32", Unclean: true}, "image ls debian:12:/", "note: the fat32 file system" + rest},
		{api.Place{System: "fat32", Unclean: true}, "volume ls pc01:/ -o json", ""},
	} {
		w.set(func() { w.place = tt.place })
		out, errs, code := bootes(t, strings.Fields(tt.args)...)
		if code != 0 || errs != tt.note || strings.HasSuffix(tt.args, "json") != strings.Contains(out, `"unclean": true`) {
			t.Errorf("%s: code %d, %q: %s", tt.args, code, errs, out)
		}
	}
}
