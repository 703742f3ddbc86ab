package cow_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// TestFreeingGivesWay frees a volume on a disk that takes 2 ms for each slice,
// and looks at how much time others have between them.
func TestFreeingGivesWay(t *testing.T) {
	for _, c := range []struct {
		name            string
		room            int64 // that the disk has left
		atLeast, atMost float64
	}{
		{"on a disk with room", 1 << 30, 40, 49},
		{"on a full disk", -16 << 20, 2, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := crashfs.New(1, "/")
				e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}, JournalSize: 8 << 10}))
				v := newVolume(t, e, cow.VolumeSpec{Size: 16 << 20})
				put(t, v, 0, 16<<20, 1)
				ok(t, v.Close())
				fs.SetCapacity(fs.Allocated() + c.room)
				var worked time.Duration
				fs.SetFault(func(op, name string) error {
					if op == "truncate" && strings.HasSuffix(name, "/data") {
						worked += 2 * time.Millisecond
						time.Sleep(2 * time.Millisecond)
					}
					return nil
				})
				began := time.Now()
				for ok(t, e.RemoveVolume("v")); e.Freeing() > 0; {
					time.Sleep(time.Millisecond)
				}
				if r := float64(time.Since(began)-worked) / float64(worked); r < c.atLeast || r > c.atMost || worked < 16*time.Millisecond {
					t.Errorf("others had %.1f times the %v that it worked, want %.0f to %.0f", r, worked, c.atLeast, c.atMost)
				}
				ok(t, e.Close())
			})
		})
	}
}
