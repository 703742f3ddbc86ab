package cow_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// TestEachOperationFails has each operation on the file system fail once. Then
// an error is reported, or it did no harm: in any case all that was promised
// is there, whatever comes next, and the next Open works.
func TestEachOperationFails(t *testing.T) {
	for seed := range seeds(2) {
		for name, fault := range map[string]error{
			"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "short write": &crashfs.ShortWrite{Err: syscall.ENOSPC},
		} {
			t.Run(fmt.Sprint(name, "/seed=", seed), func(t *testing.T) {
				t.Parallel()
				reported, n := 0, 0
				for ; ; n += every {
					hit, err := failOne(seed, n, fault)
					if !hit {
						break
					}
					var failed *unreported
					if errors.As(err, &failed) {
						t.Fatal(err)
					}
					if err != nil {
						reported++
					}
				}
				if t.Logf("of %d operations one failed each time; %d were reported", n, reported); reported == 0 {
					t.Error("nothing failed: the test shows nothing")
				}
			})
		}
	}
}

// unreported says that something promised is gone.
type unreported struct {
	op    string
	after error // what was reported
	err   error
}

func (u *unreported) Error() string {
	return fmt.Sprintf("%s failed, reported was %v: %v", u.op, u.after, u.err)
}

// failOne runs a history in which the nth operation fails that can fail in
// this way. It returns what was reported.
func failOne(seed uint64, nth int, fault error) (hit bool, err error) {
	var short *crashfs.ShortWrite
	failed, k := "", 0
	h, err := setup{seed: seed, steps: 25, nothing: true, fault: func(op, name string, _ int) error {
		switch {
		case errors.As(fault, &short) && op != "write", fault == syscall.ENOSPC && (op == "read" || op == "stat" || op == "list"):
			return nil
		}
		if k++; k != nth+1 {
			return nil
		}
		failed = op + " " + name
		return fault
	}}.run()
	h.fs.SetFault(nil)
	defer h.end()
	if failed == "" {
		return false, err
	}
	h.noteFailures()
	lost := h.atEnd()
	if lost == nil {
		h.closeAll()
		lost = h.atEnd()
	}
	if lost != nil {
		return true, &unreported{failed, err, lost}
	}
	return true, err
}

// noteFailures tells of volumes that have failed.
func (h *history) noteFailures() {
	for id, d := range h.open {
		if _, err := d.ReadAt(make([]byte, 512), 0); errors.Is(err, block.ErrFailed) {
			v := h.world.volumes[id]
			h.note(func(o *oracle) { o.lines[v.line].failed(v.volatile) })
		}
	}
}

func (h *history) closeAll() {
	for id := range h.open {
		_ = h.closeVolume(id)
	}
	if h.e != nil {
		_ = h.e.Close()
	}
}

// atEnd tries some crashes after the last operation.
func (h *history) atEnd() (finding error) {
	o := &oracle{lines: map[int]*line{}}
	for _, m := range h.marks {
		o.advance(m)
	}
	rng := rand.New(rand.NewPCG(h.setup.seed, 33))
	everything := func(string) bool { return true }
	h.log.CrashesAtEnd(crashfs.Bounds{Random: 2, Seed: h.setup.seed, Dull: everything}, func(c crashfs.Crash) bool {
		if err := (inspector{}).inspect(o, c, rng); err != nil {
			finding = fmt.Errorf("%v: %w", c, err)
		}
		return finding == nil
	})
	return finding
}

// TestFlushUnderFailure has a volume fail, by a change of its meta, while a
// Flush is at its sync. The Flush may fail too; if it does not, what it covers
// is there.
func TestFlushUnderFailure(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks int64
		sync   string // of this file is under way
	}{
		{"data carried in the journal", 1, "journal"},
		{"a commit record is to come", 16, "data"},
		{"a checkpoint is to come", 260, "data"},
		{"a checkpoint's pages", 260, "map"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := crashfs.New(1, "/")
			e := must(engineOn(fs, 1, cow.Options{JournalSize: 16 << 10}))
			v := newVolume(t, e, cow.VolumeSpec{Size: 4 << 20})
			p := bytes.Repeat([]byte{7}, 512)
			must(v.WriteAt(p, 0))
			ok(t, v.Flush())
			for b := range c.blocks { // the map learns of them one by one
				must(v.WriteAt(p, 4096+8192*b))
			}
			err := failDuring(t, fs, e, v, c.sync)
			fs.Kill()
			_ = e.Close()

			e = must(engineOn(fs, 1, cow.Options{}))
			defer e.Close()
			got, v := make([]byte, 512), openVolume(t, e, "v")
			for b := range c.blocks {
				must(v.ReadAt(got, 4096+8192*b))
				if err == nil && !bytes.Equal(got, p) {
					t.Fatalf("an acknowledged Flush is gone: block %d", b)
				}
			}
		})
	}
}

// failDuring flushes a volume and has it fail while a file is synced.
func failDuring(t *testing.T, fs *crashfs.FS, e *cow.Engine, v *cow.Volume, file string) error {
	syncing := make(chan struct{}, 99)
	fs.SetSyncTime(50 * time.Millisecond)
	fs.SetFault(func(op, name string) error {
		if op == "sync" && strings.HasSuffix(name, "/"+file) {
			syncing <- struct{}{}
		}
		if op == "rename" {
			return syscall.EIO
		}
		return nil
	})
	defer fs.SetFault(nil)
	flushed := make(chan error, 1)
	go func() { flushed <- v.Flush() }()
	select {
	case <-syncing:
	case <-time.After(10 * time.Second):
		t.Fatal("it is not synced")
	}
	fs.SetSyncTime(0)
	if err := e.SetLimit("v", 1<<20); err == nil {
		t.Error("the failure was not reported")
	}
	return <-flushed
}
