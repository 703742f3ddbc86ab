package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/simulate"
	"bootes.dev/internal/trace"
)

// traced gives an image the trace of a boot.
func (w *wired) traced(ref string) {
	w.t.Helper()
	i, err := w.inv.Image(w.t.Context(), ref)
	w.ok(err)
	r := w.traces.Begin("b1", trace.Trace{Image: ref, Layer: i.Layer, Machine: "pc01", Size: i.Size})
	r.Read(4096, 8192)
	w.traces.Runs("b1")
	w.traces.DiskClosed("b1")
}

// A ticket for a room elsewhere holds what that needs.
func TestRoomTicket(t *testing.T) {
	s := newServed(t)
	s.image("debian:12", false, make([]byte, 1<<20))
	s.traced("debian:12")
	path := filepath.Join(t.TempDir(), "room.json")
	out, errs, code := bootes(t, "--socket", s.socket, "simulate", "--room", "300", "--write-ticket", path)
	if code != 0 || out != "" || errs != "" {
		t.Fatalf("code %d\n%s%s", code, out, errs)
	}
	b, err := os.ReadFile(path)
	s.ok(err)
	var g roomGrant
	s.ok(json.Unmarshal(b, &g))
	if len(g.Simulation.Machines) != 300 || g.Simulation.Machines[299].MAC != "06:b0:07:00:01:2b" || g.Simulation.Ticket == "" ||
		len(g.Trace.Reads) != 1 || g.Trace.Reads[0].Length != 8192 {
		t.Errorf("%+v", g)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if _, errs, code := bootes(t, "--socket", s.socket, "simulate", "--room", "3", "--write-ticket", path); code != exitRefused || !strings.Contains(errs, "exists: name another file") {
		t.Errorf("code %d, %s", code, errs)
	}
}

func TestRoomErrors(t *testing.T) {
	s := newServed(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		s.ok(os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	check := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := bootes(t, append([]string{"--socket", s.socket, "simulate", "--interface", "lo"}, args...)...)
		if got != code || out != "" || !strings.HasPrefix(errs, "bootes: "+want) {
			t.Errorf("%s: code %d, want %d\n%s\nwant %s", args, got, code, errs, want)
		}
	}
	check(exitUsage, "--image is missing: the server has no image to boot\n", "--room", "3")
	s.image("debian:12", false, make([]byte, 1<<20))
	check(exitNotFound, `no boot of image "debian:12" was recorded yet`, "--room", "3")
	s.image("debian:13", false, make([]byte, 1<<20))
	check(exitUsage, "--image is missing: the server has debian:12, debian:13\n", "--room", "3")
	check(exitUsage, "--room 4097: from 1 to 4096 machines are possible\n", "--room", "4097")
	check(exitUsage, "--room -1: from 1 to 4096 machines are possible\n", "--room", "-1")
	check(exitUsage, "--spread 1h0m0s: from 0 to 8m0s are possible, for a ticket ends after ten minutes\n", "--room", "3", "--spread", "1h")
	check(exitUsage, "--patience 1ms: write a time from 1s to 1h0m0s\n", "--room", "3", "--patience", "1ms")
	check(exitUsage, "a room has machines that there are not: leave out MACHINE, --mac, --uuid, --lease and --wait\n", "--room", "3", "--lease")
	check(exitUsage, "a room has machines that there are not: leave out MACHINE, --mac, --uuid, --lease and --wait\n", "--room", "3", "pc01")
	check(exitUsage, "--ticket says what the room is: leave out --room, --image and --write-ticket\n", "--room", "3", "--ticket", "-")
	check(exitNotFound, "open ", "--ticket", filepath.Join(dir, "none"))
	check(exitUsage, `read ticket "`+dir+`/torn": unexpected end of JSON input`, "--ticket", file("torn", "{"))
	check(exitUsage, `"`+dir+`/empty" holds no ticket: `+"`bootes simulate --room N --write-ticket FILE` on the server writes one\n", "--ticket", file("empty", "{}"))
	write := func(name string, mac string, expires time.Time, reads ...api.TraceRead) string {
		b, err := json.Marshal(roomGrant{
			Simulation: api.Simulation{ID: "s1", Ticket: "t1", Expires: expires, Machines: []api.SimulatedMachine{{MAC: mac}}},
			Trace:      api.Trace{Image: "debian:12", Reads: reads},
		})
		s.ok(err)
		return file(name, string(b))
	}
	check(exitRefused, "the ticket has ended: write another one on the server\n", "--ticket", write("old", "06:b0:07:00:00:00", now))
	later := now.Add(time.Minute)
	check(exitUsage, "the ticket holds no READs\n", "--ticket", write("blank", "06:b0:07:00:00:00", later))
	check(exitUsage, "read ticket: address 06: invalid MAC address\n", "--ticket", write("mac", "06", later))
	check(exitUsage, "a Raspberry Pi does not become iPXE: a room cannot be of it\n", "--firmware", "rpi", "--ticket", write("pi", "06:b0:07:00:00:00", later, api.TraceRead{Length: 512}))
}

func TestRoomText(t *testing.T) {
	us := func(s recorder.Stage, n int64, p50 int64) simulate.RoomStage {
		return simulate.RoomStage{Stage: s, Count: n, P50US: p50, P99US: 2 * p50, MaxUS: 3 * p50}
	}
	r := simulate.RoomReport{
		Machines: 50, Booted: 48, TookUS: 6_300_000, Bytes: 3 << 30,
		Stages: []simulate.RoomStage{us(recorder.StageFirmware, 50, 18_000), us(recorder.StageLogin, 48, 55_000)},
		Boot:   us("", 48, 6_000_000), Reads: us("", 125_200, 671),
		Failures: []simulate.RoomFailure{{Stage: recorder.StageLogin, Text: "refused", Machines: 2, Example: "06:b0:07:00:00:01"}},
	}
	want := `
48 of 50 machines booted debian:12 in 6.3 s, all switched on at once
3 GiB read, 488 MiB/s; READs came at the pace of the boot of pc01

STAGE       MACHINES    P50     P99     MAX
firmware          50   18ms    36ms    54ms
login             48   55ms   110ms   165ms
whole boot        48     6s     12s     18s
one READ      125200  671µs  1.342ms  2.013ms

FAILED  STAGE  WHY      ONE OF THEM
     2  login  refused  06:b0:07:00:00:01

` + roomNote
	if got := roomText(r, api.Trace{Image: "debian:12", Machine: "pc01"}, &roomFlags{}); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("\n%s", got)
	}
	got := roomText(r, api.Trace{Image: "debian:12"}, &roomFlags{full: true, spread: time.Minute})
	if !strings.Contains(got, ", switched on within 1m0s\n") || !strings.Contains(got, "; READs came as fast as they were answered\n") {
		t.Errorf("\n%s", got)
	}
	p := simulate.RoomProgress{In: map[recorder.Stage]int{recorder.StageRead: 30, recorder.StageLoader: 2}, Done: 10, Failed: 1}
	if got := roomProgress(50, p); got != "50 machines: 2 loader, 30 read, 10 done, 1 failed" {
		t.Error(got)
	}
}
