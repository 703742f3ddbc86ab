package cow_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// TestBackgroundTriesAgain: work that finds the disk full is tried again, ever
// more seldom, and what fails otherwise is not.
func TestBackgroundTriesAgain(t *testing.T) {
	for _, c := range []struct {
		fault syscall.Errno
		tries []int64 // by now, after a minute, three and seven
	}{
		{syscall.ENOSPC, []int64{2, 3, 4}},
		{syscall.EIO, []int64{1, 1, 1}},
	} {
		t.Run(c.fault.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := crashfs.New(1, "/")
				e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}}))
				defer e.Close()
				var tries atomic.Int64
				fs.SetFault(func(op, name string) error {
					if op == "open" && strings.HasSuffix(name, "/hashes") {
						tries.Add(1)
						return c.fault
					}
					return nil
				})
				v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
				must(v.WriteAt(stamped(1, 4096), 0))
				layer := must(e.Commit("v", "")).ID
				for i, after := range []time.Duration{61, 120, 240} {
					time.Sleep(after * time.Second)
					if got := tries.Load(); got != c.tries[i] {
						t.Errorf("after %d more seconds it was tried %d times, want %d", after, got, c.tries[i])
					}
				}
				fs.SetFault(nil)
				time.Sleep(10 * time.Minute)
				if done := must(e.Layer(layer)).Digest != ""; done != (c.fault == syscall.ENOSPC) {
					t.Errorf("hashed in the end: %v", done)
				}
			})
		})
	}
}
