package shelf

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"bootes.dev/internal/scsi"
)

// disks opens volumes, and counts.
type disks struct{ opened, closed atomic.Int32 }

func (d *disks) open() (io.Closer, *scsi.Disk, error) {
	if n := d.opened.Add(1) - d.closed.Load(); n != 1 {
		return nil, nil, fmt.Errorf("it is open %d times", n)
	}
	return d, new(scsi.Disk), nil
}

func (d *disks) Close() error { d.closed.Add(1); return nil }

func (d *disks) isOpen() bool { return d.opened.Load() > d.closed.Load() }

func noDisk() (io.Closer, *scsi.Disk, error) { return nil, nil, errors.New("no such disk") }

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestTake: who shares a volume has the same disk, which the last to leave
// closes; who does not share it is told who has it.
func TestTake(t *testing.T) {
	var s Shelf
	var d disks
	one, release1, err := s.Take("data1", "pc1", false, d.open)
	ok(t, err)
	for _, c := range []struct {
		machine string
		shared  bool
	}{{"pc2", false}, {"pc1", true}} {
		_, _, err := s.Take("data1", c.machine, c.shared, d.open)
		var taken *TakenError
		const want = `volume "data1" is still open on pc1: its last writes have not returned`
		if !errors.As(err, &taken) || !slices.Equal(taken.Machines, []string{"pc1"}) || err.Error() != want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	two, release2, err := s.Take("data1", "pc2", true, d.open)
	ok(t, err)
	if one != two || d.opened.Load() != 1 || s.Claims("data1") != 2 {
		t.Errorf("%p and %p, opened %d times, %d claims", one, two, d.opened.Load(), s.Claims("data1"))
	}
	ok(t, release1(), release1())
	if !d.isOpen() {
		t.Error("closed under the other")
	}
	ok(t, release2())
	_, release1, err = s.Take("data1", "pc1", false, d.open)
	ok(t, err, release1())
	if d.opened.Load() != 2 || d.isOpen() || len(s.all) != 0 {
		t.Errorf("opened %d times, open: %v, %d are on the shelf", d.opened.Load(), d.isOpen(), len(s.all))
	}
	if _, _, err = s.Take("data1", "pc1", false, noDisk); err == nil || err.Error() != "no such disk" || len(s.all) != 0 {
		t.Errorf("%v, %d are on the shelf", err, len(s.all))
	}
}

// TestWith: the disk that it shows stays, and so does its absence.
func TestWith(t *testing.T) {
	var s Shelf
	var d disks
	taken := make(chan func() error)
	ok(t, s.With("data1", func(disk *scsi.Disk) error {
		go func() {
			_, release, err := s.Take("data1", "pc1", false, d.open)
			ok(t, err)
			taken <- release
		}()
		for s.Claims("data1") < 2 {
		}
		if disk != nil || d.isOpen() {
			t.Error("it is open")
		}
		return nil
	}))
	release := <-taken
	failed := errors.New("failed")
	err := s.With("data1", func(disk *scsi.Disk) error {
		if disk == nil {
			t.Error("it is not open")
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	ok(t, release())
	if len(s.all) != 0 || s.Claims("data1") != 0 {
		t.Errorf("%d are left on the shelf", len(s.all))
	}
}

// TestCrowd: machines come and go at once.
func TestCrowd(t *testing.T) {
	var s Shelf
	var d disks
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 250 {
				_, release, err := s.Take("data1", fmt.Sprint("pc", n), true, d.open)
				if err != nil {
					t.Error(err)
					return
				}
				if !d.isOpen() {
					t.Error("closed under a machine")
				}
				if err := release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(s.all) != 0 || d.isOpen() {
		t.Errorf("%d are left on the shelf", len(s.all))
	}
}
