package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

// What a machine does with its disk is told by the command, to Prometheus and,
// where it was slow, on the timeline.
func TestVolumeIO(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	g := s.run("pc01")
	d := g.disk(0)
	for range 20 {
		s.ok(d.ReadAt(ctx, make([]byte, 4096), 0))
	}
	s.ok(d.WriteAt(ctx, make([]byte, 8192), 0))
	s.ok(d.Flush(ctx))
	one := int64(2)
	_, err := s.SetVolume(ctx, g.boot.Volume, api.VolumeChange{IOPS: &one})
	s.ok(err)
	for range 3 {
		s.ok(d.ReadAt(ctx, make([]byte, 512), 0))
	}

	out, _, code := bootes(t, "--socket", s.socket, "volume", "io", "pc01", "--over", "50ms", "-o", "json")
	var v api.VolumeIO
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 {
		t.Fatalf("code %d, %v: %s", code, err, out)
	}
	for n, want := range []struct {
		op              string
		commands, bytes uint64
	}{{"read", 23, 20*4096 + 3*512}, {"write", 1, 8192}, {"flush", 1, 0}, {"unmap", 0, 0}} {
		o := v.Ops[n]
		if o.Op != want.op || o.Commands != want.commands || o.Bytes != want.bytes || o.Commands > 0 && o.P99US == 0 {
			t.Errorf("%+v, want %+v", o, want)
		}
	}
	if v.Since == nil || time.Since(*v.Since) > time.Minute || len(v.Slow) == 0 {
		t.Fatalf("%+v", v)
	}
	if o := v.Slow[0]; o.Op != "read" || o.Machine != "127.0.0.1" || o.Length != 512 || o.LimitUS < o.TotalUS/2 {
		t.Errorf("%+v", o)
	}
	if told := s.told("pc01"); !strings.Contains(told, "slow command: a read of 512 B on LUN 0 took ") || !strings.Contains(told, " waiting for the limits of its volume") {
		t.Errorf("timeline: %s", told)
	}
	want := fmt.Sprintf("bootes_volume_io_seconds_count{op=\"read\",volume=%q} 23\n", g.boot.Volume)
	if text := s.scrape(); !strings.Contains(text, want) {
		t.Errorf("no %s", want)
	}
}
