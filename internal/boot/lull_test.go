package boot

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
	"bootes.dev/internal/recorder"
)

// TestReadsNothingMore: an initramfs that lacks the driver of the root file system writes
// first, when it checks that.
func TestReadsNothingMore(t *testing.T) {
	noDriver := diagnose.Finding{Name: "no-file-system-driver", Stops: diagnose.Run, Sure: true, Text: "the initramfs has no ext4", Remedy: "make it anew"}
	for name, tt := range map[string]struct {
		reads int64 // bytes, with each look
		looks int32
	}{
		"nothing": {0, 2},
		"goes on": {lullRead / 2, 1},
		"slowly":  {512, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.hush = 60 * time.Millisecond
			var reads atomic.Int64
			h.Moved = func(string) Moved {
				n := reads.Add(1)
				return Moved{Read: 20<<20 + n*tt.reads, System: true}
			}
			looks, last := h.looking()
			all := h.Contents
			h.Contents = func(ctx context.Context, volume, image string, m diskcheck.Machine) (diagnose.Contents, error) {
				c, err := all(ctx, volume, image, m)
				if !m.Brief {
					c.Findings = []diagnose.Finding{noDriver}
				}
				return c, err
			}
			ad := h.reading()
			h.Reach(ad.Boot, recorder.StageRunning, "first write")
			if !eventually(func() bool { return looks.Load() == 1 }) || !last.Load().Brief {
				t.Fatal("no brief look")
			}
			time.Sleep(4 * h.hush)
			if looks.Load() != tt.looks || tt.looks == 2 && last.Load().Brief {
				t.Errorf("%d looks, the last %+v, want %d", looks.Load(), last.Load(), tt.looks)
			}
			if d := h.Recorder.Boots("pc1")[0].Diagnosis; (d != nil) != (tt.looks == 2) || d != nil && (d.Kind != diagnose.SystemGone || d.Summary != noDriver.Text+"; it is so in the image debian:12") {
				t.Errorf("%+v", d)
			}
		})
	}
}
