package targets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/shelf"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/store"
	"bootes.dev/internal/trace"
)

// newTargets are targets of a machine, pc01, that has the data volume data1 at
// LUN 2. No server runs.
func newTargets(t *testing.T) *Targets {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	closing := func(f func() error) { t.Cleanup(func() { must(f()) }) }
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "store"), Log: log})
	must(err)
	closing(s.Close)
	e, err := cow.Open(dir, cow.Options{Log: log})
	must(err)
	closing(e.Close)
	rec, err := recorder.Open(filepath.Join(dir, "recorder"), log)
	must(err)
	closing(rec.Close)
	traces, err := trace.Open(filepath.Join(dir, "traces"), log)
	must(err)
	closing(traces.Close)
	tg, inv := new(Targets), inventory.New(s)
	disks := storage.New(storage.Options{Engine: e, Inventory: inv, Dir: dir, MinFree: 1 << 20, Log: log, Sessions: tg, Warn: tg.Warn})
	b := boot.New(boot.Options{Inventory: inv, Disks: disks, Recorder: rec, Log: log, Targets: tg})
	closing(func() error { b.Close(); return nil })
	tg.Join(Options{Boot: b, Inventory: inv, Storage: disks, Shelf: new(shelf.Shelf), Traces: traces, Log: log})

	_, err = inv.AddImage(t.Context(), inventory.Image{Name: "debian", Tag: "12", Layer: "l", Size: 1 << 20})
	must(err)
	_, err = inv.AddMachine(t.Context(), inventory.Machine{Name: "pc01", MACs: []string{net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}.String()}, Image: "debian:12"})
	must(err)
	_, err = disks.CreateData(t.Context(), inventory.Volume{ID: "data1"}, 1<<20)
	must(err)
	_, live, err := tg.Attach(t.Context(), "pc01", inventory.Attachment{Volume: "data1"})
	must(err)
	if live {
		t.Error("it runs")
	}
	return tg
}

func disks(t *testing.T, tg *Targets) string {
	t.Helper()
	m, err := tg.o.Inventory.Machine(t.Context(), "pc01")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(m.Disks)
}

// An attachment whose time has run out is taken back all the same.
func TestUndoAttachInTime(t *testing.T) {
	tg := newTargets(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got := disks(t, tg); got != "[{2 data1  false}]" {
		t.Fatal(got)
	}
	if err := tg.undoAttach(over, "pc01", inventory.Attachment{LUN: 2, Volume: "data1"}); err != nil {
		t.Error(err)
	}
	if got := disks(t, tg); got != "[]" {
		t.Error(got)
	}
}

// After a start, a machine that ran before is waited for; and so is the last I/O.
func TestDetachAwaited(t *testing.T) {
	err := unreturned("pc01", inventory.Attachment{LUN: 2, Volume: "data1"}, errors.New("timed out"))
	if want := `volume data1 is no disk of machine "pc01" any more, but stays open until its last I/O has returned: timed out`; err.Error() != want {
		t.Errorf("%v", err)
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	err = mounted("pc01", inventory.Attachment{LUN: 2, Volume: "data1"}, false, noon)
	if want := "volume \"data1\" is in use by machine pc01, which ran before this server was started and may come back to it until 12:00:00: unmount it there, then `bootes machine detach pc01 --lun 2 --force`"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// A data volume that has failed may have lost writes: whoever had it boots again.
func TestFailedDataVolume(t *testing.T) {
	tg := newTargets(t)
	ctx, inv, g := t.Context(), tg.o.Inventory, &gate{tg.o}
	b, _, err := inv.OpenBoot(ctx, "pc01")
	if err != nil {
		t.Fatal(err)
	}
	g.closedData("data1", errors.New("only untidy"))
	if _, err := inv.Boot(ctx, b.ID); err != nil {
		t.Error(err)
	}
	g.closedData("data1", fmt.Errorf("sync: %w", block.ErrFailed))
	if _, err := inv.Boot(ctx, b.ID); err == nil {
		t.Error("its boot goes on")
	}
}
