package main

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"bootes.dev/internal/api"
	"bootes.dev/internal/block"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// Who shares a volume has the same disk, which the last to leave closes; who does
// not share it is told who has it.
func TestShelf(t *testing.T) {
	w := newWired(t)
	_, err := w.CreateVolume(t.Context(), api.NewVolume{Name: "data1", Size: 1 << 20})
	w.ok(err)
	opened := 0
	take := func(machine string, shared bool) (*shelved, func() error, error) {
		return w.shelf.take("data1", machine, shared, func() (*storage.Opened, *scsi.Disk, error) {
			opened++
			vol, err := w.storage.OpenVolume(t.Context(), "data1")
			return w.gate.disk(vol, err, inventory.Volume{ID: "data1"}, scsi.Identity{})
		})
	}
	one, release1, err := take("pc1", false)
	w.ok(err)
	for _, c := range []struct {
		machine string
		shared  bool
	}{{"pc2", false}, {"pc1", true}} {
		if _, _, err := take(c.machine, c.shared); err == nil || err.Error() != `volume "data1" is still open on pc1: its last writes have not returned` {
			t.Errorf("%+v: %v", c, err)
		}
	}
	two, release2, err := take("pc2", true)
	w.ok(err)
	if one.disk != two.disk || opened != 1 {
		t.Errorf("%p and %p, opened %d times", one.disk, two.disk, opened)
	}
	w.ok(errors.Join(release1(), release1()))
	if two.disk == nil {
		t.Error("closed under the other")
	}
	w.ok(release2())
	_, release1, err = take("pc1", false)
	w.ok(err)
	w.ok(release1())
	if opened != 2 || len(w.shelf.all) != 0 {
		t.Errorf("opened %d times, %d are on the shelf", opened, len(w.shelf.all))
	}
	_, _, err = w.shelf.take("data1", "pc1", false, func() (*storage.Opened, *scsi.Disk, error) {
		return nil, nil, errors.New("no such disk")
	})
	if err == nil || err.Error() != "no such disk" || len(w.shelf.all) != 0 {
		t.Errorf("%v, %d are on the shelf", err, len(w.shelf.all))
	}
}

// Machines come and go at once.
func TestShelfCrowd(t *testing.T) {
	w := newWired(t)
	_, err := w.CreateVolume(t.Context(), api.NewVolume{Name: "data1", Size: 1 << 20})
	w.ok(err)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 25 {
				b, release, err := w.shelf.take("data1", fmt.Sprint("pc", n), true, func() (*storage.Opened, *scsi.Disk, error) {
					vol, err := w.storage.OpenVolume(t.Context(), "data1")
					return w.gate.disk(vol, err, inventory.Volume{ID: "data1"}, scsi.Identity{})
				})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := b.vol.WriteAt(make([]byte, 4096), int64(n)<<12); err != nil {
					t.Error(err)
				}
				if err := release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(w.shelf.all) != 0 {
		t.Errorf("%d are left on the shelf", len(w.shelf.all))
	}
}

// A data volume that has failed may have lost writes: whoever had it boots again.
func TestFailedDataVolume(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	s.create(api.NewVolume{Name: "data1"})
	s.attach("pc01", api.AttachRequest{Volume: "data1"})
	b := s.run("pc01").boot
	s.gate.closedData("data1", errors.New("only untidy"))
	if _, err := s.inv.Boot(ctx, b.ID); err != nil {
		t.Error(err)
	}
	s.gate.closedData("data1", fmt.Errorf("sync: %w", block.ErrFailed))
	if _, err := s.inv.Boot(ctx, b.ID); err == nil {
		t.Error("its boot goes on")
	}
}
