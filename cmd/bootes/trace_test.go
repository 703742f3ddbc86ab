package main

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

func (w *world) Trace(_ context.Context, ref string) (api.Trace, error) {
	if ref != "debian:12" {
		return api.Trace{}, api.Errorf(api.NotFound, "no boot of image %q was recorded yet", ref)
	}
	return api.Trace{
		Image: ref, Machine: "kiosk", Began: now.Add(-time.Hour), Size: 4 << 30, Bytes: 3 << 20, Distinct: 2 << 20, TookUS: 12_340_000, Cut: true,
		Marks: []api.TraceMark{{AtUS: 2_000_000, Text: "the system logs in"}, {AtUS: 10_000_000, Text: "runs"}},
		Reads: []api.TraceRead{
			{Length: 512 << 10}, {AtUS: 2_000_000, Length: 512 << 10}, {AtUS: 10_000_001, Offset: 1 << 30, Length: 1 << 20}, {AtUS: 12_340_000, Length: 1 << 20},
		},
	}, w.call("trace", ref)
}

func TestImageTrace(t *testing.T) {
	socket := serveWorld(t, newWorld())
	out, errs, code := bootes(t, "--socket", socket, "image", "trace", "debian:12")
	want := `
image    debian:12
machine  kiosk
booted   2026-01-02 11:00:00 (60 min ago)
reads    4
read     3 MiB, of the disk 2 MiB
took     12.3 s
cut      it went on when the recording was full

UNTIL                   AT  READS   READ  PER READ
the system logs in   2.0 s      2  1 MiB   512 KiB
runs                10.0 s      0    0 B       0 B
the last READ       12.3 s      2  2 MiB     1 MiB
`
	if out != want[1:] || errs != "" || code != 0 {
		t.Errorf("code %d\n%s%s\nwant%s", code, out, errs, want)
	}
	out, _, code = bootes(t, "--socket", socket, "image", "trace", "debian:12", "-o", "svg")
	if code != 0 || !strings.HasPrefix(out, "<svg ") || !strings.Contains(out, ">runs (10.0 s)</text>") || !strings.Contains(out, "boot of debian:12 on kiosk") {
		t.Errorf("code %d\n%s", code, out)
	}
	out, _, code = bootes(t, "--socket", socket, "image", "trace", "debian:12", "-o", "png")
	if _, err := png.Decode(strings.NewReader(out)); err != nil || code != 0 {
		t.Errorf("code %d, %v", code, err)
	}
	for args, want := range map[string]string{
		"image trace debian:12 -o gif": "bootes: -o \"gif\" is no output format: write table, json, png or svg\n",
		"image list -o svg":            "bootes: -o \"svg\" is no output format: write table or json\n",
	} {
		if _, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(args)...)...); code != exitUsage || !strings.HasPrefix(errs, want) {
			t.Errorf("%s: code %d, %s", args, code, errs)
		}
	}
}

// A PNG is not written to a terminal.
func TestImageTraceToTerminal(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var errs bytes.Buffer
	a := &app{in: os.Stdin, out: tty, errs: &errs, now: time.Now}
	code := a.run(t.Context(), []string{"image", "trace", "debian:12", "-o", "png"})
	if want := "bootes: standard output is a terminal, and a PNG is binary: write it to a file: … -o png > FILE.png\n"; code != exitUsage || errs.String() != want {
		t.Errorf("code %d, %s", code, &errs)
	}
}

// What a boot reads from a new disk is kept with its image, and goes with it.
func TestBootTrace(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	const none = `no boot of image "debian:12" was recorded yet: that is done when a machine boots a disk which is new, as an ephemeral one's is each time; ` +
		"`bootes machine set MACHINE --ephemeral` makes it so"
	if _, err := s.Trace(ctx, "debian:12"); err == nil || !strings.HasSuffix(err.Error(), none) {
		t.Errorf("%v, want %s", err, none)
	}

	g := s.run("pc01")
	d := g.disk(0)
	s.ok(d.ReadAt(ctx, make([]byte, 512), 0))
	again := s.login(g.boot, 2) // the system
	s.ok(again.disk(0).ReadAt(ctx, make([]byte, 8192), 65536))
	s.ok(again.disk(0).WriteAt(ctx, make([]byte, 4096), 4096))
	s.ok(g.Logout(ctx))
	s.ok(again.Logout(ctx))
	s.closes(g.boot.Volume)
	x, err := s.Trace(ctx, "debian:12")
	s.ok(err)
	if len(x.Reads) != 2 || x.Reads[0].Length != 512 || x.Reads[1].Offset != 65536 || x.Reads[1].Length != 8192 || x.Reads[1].AtUS <= 0 ||
		x.Bytes != 8704 || x.Distinct != 8704 || x.Size != 1<<20 || x.Machine != "pc01" || x.Image != "debian:12" || x.Cut {
		t.Errorf("%+v", x)
	}
	if len(x.Marks) != 2 || x.Marks[0].Text != "the system logs in" || x.Marks[1].Text != "runs" {
		t.Errorf("%+v", x.Marks)
	}

	// The machine's disk is not the image's any more.
	g = s.run("pc01")
	s.ok(g.disk(0).ReadAt(ctx, make([]byte, 512), 0))
	s.ok(g.disk(0).WriteAt(ctx, make([]byte, 512), 0))
	s.ok(g.Logout(ctx))
	s.closes(g.boot.Volume)
	if y, err := s.Trace(ctx, "debian:12"); err != nil || !y.Began.Equal(x.Began) {
		t.Errorf("a boot of a disk with writes: %+v, %v", y, err)
	}

	s.image("tools:1", false, make([]byte, 1<<20))
	s.ok(s.RemoveImage(ctx, "tools:1"))
	files := func() int {
		all, err := filepath.Glob(filepath.Join(s.cfg.Data, "traces", "*"))
		s.ok(err)
		return len(all)
	}
	if n := files(); n != 1 {
		t.Errorf("%d traces", n)
	}
	s.ok(s.ForceRemoveVolume(ctx, g.boot.Volume))
	s.ok(s.RemoveMachine(ctx, "pc01"))
	s.ok(s.RemoveImage(ctx, "debian:12"))
	if n := files(); n != 0 {
		t.Errorf("%d traces are left", n)
	}
}
