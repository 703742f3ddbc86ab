package main

import (
	"context"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/iscsi"
)

func (w *world) VolumeIO(_ context.Context, id string, over time.Duration) (api.VolumeIO, error) {
	v := api.VolumeIO{Volume: id}
	if id == "0f3a-1111-aaaa" {
		since := now.Add(-time.Hour)
		v.Since = &since
		v.Ops = []api.OpIO{
			{Op: "read", IOPS: 1234.4, BytesPerSecond: 5 << 20, Commands: 99000, Bytes: 1 << 30, MeanUS: 85, P50US: 81, P99US: 16384},
			{Op: "flush"},
		}
		v.Slow = []api.SlowIO{{
			At: now.Add(-time.Minute), Machine: "10.0.0.7", Op: "write", Offset: 8192, Length: 4096,
			TotalUS: 1500300, QueueUS: 200000, DiskUS: 1300000, SocketUS: 300,
		}}
	}
	return v, w.call("io", id, over)
}

func TestOpIO(t *testing.T) {
	before := iscsi.Latency{Count: 10, Bytes: 4096}
	after := iscsi.Latency{Count: 30, Bytes: 8192, Sum: 3 * time.Millisecond}
	if o := opIO(iscsi.OpWrite, after, before, 2*time.Second); o.Op != "write" || o.IOPS != 10 || o.BytesPerSecond != 2048 || o.Commands != 30 || o.MeanUS != 100 {
		t.Errorf("%+v", o)
	}
	if o := opIO(iscsi.OpRead, before, after, time.Second); o.IOPS != 0 || o.BytesPerSecond != 0 {
		t.Errorf("a volume that was opened anew: %+v", o)
	}
}

func TestMicros(t *testing.T) {
	for us, want := range map[int64]string{0: "-", 85: "85µs", 1500300: "1.5s", 16384: "16ms", 2500: "2.5ms", 61_000_000: "1m1s"} {
		if got := micros(us); got != want {
			t.Errorf("%d us: %q, want %q", us, got, want)
		}
	}
}
