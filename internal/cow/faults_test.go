package cow_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/crashfs"
)

// TestEachOperationFails has each operation on the file system fail once. Then
// an error is reported, or it did no harm: in any case all that was promised
// is there, whatever comes next, and the next Open works.
func TestEachOperationFails(t *testing.T) {
	every := 1
	if raceDetector {
		every = 7
	}
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
