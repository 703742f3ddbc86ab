package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskspace"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/locator"
	"bootes.dev/internal/metrics"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/store"
	"bootes.dev/internal/targets"
	"bootes.dev/internal/trace"
)

// openState opens all that is kept in the data folder. The engine is first: its
// lock is what keeps two servers from one folder.
func (h *house) openState(ctx context.Context) (err error) {
	if err := makeData(h.cfg.Data); err != nil {
		return err
	}
	on, err := diskspace.Of(h.cfg.Data)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	minFree := h.cfg.Limits.MinFree.Of(on.Capacity)
	h.engine, err = cow.Open(h.cfg.Data, cow.Options{Log: h.log, MinFree: minFree, Hashed: h.hashed})
	if errors.Is(err, cow.ErrInUse) {
		return withCode(exitRefused, fmt.Errorf("%w: stop that server first, or set another data: in %s", err, h.cfg.File))
	}
	if err != nil {
		return err
	}
	h.onClose(h.engine.Close)
	h.counters = metrics.NewCounters()
	h.store, err = store.Open(ctx, store.Options{Dir: filepath.Join(h.cfg.Data, "store"), Synced: h.counters.JournalSynced, Log: h.log})
	if err != nil {
		return err
	}
	h.onClose(h.store.Close)
	h.inv = inventory.New(h.store)
	h.rec, err = recorder.Open(filepath.Join(h.cfg.Data, "recorder"), h.log)
	if err != nil {
		return err
	}
	h.onClose(h.rec.Close)
	h.rec.Observe(tally{h.counters})
	if h.traces, err = trace.Open(filepath.Join(h.cfg.Data, "traces"), h.log); err != nil {
		return err
	}
	h.onClose(h.traces.Close)
	h.storage = storage.New(storage.Options{
		Engine: h.engine, Inventory: h.inv, Dir: h.cfg.Data, MinFree: minFree, Log: h.log,
		Sessions: &h.targets, WarnAt: h.cfg.Limits.Warn, Warn: h.targets.Warn,
	})
	h.hashes.Store(h.storage)
	return nil
}

// settle brings records and disks into step after a crash, and says what it
// found.
func (h *house) settle(ctx context.Context) error {
	found, err := h.storage.Reconcile(ctx)
	for _, f := range found {
		level := slog.LevelInfo
		if f.Problem {
			level = slog.LevelError
		}
		h.log.Log(ctx, level, f.Text, "bytes", f.Bytes)
	}
	h.checkEnrolments(ctx)
	h.checkNeighbours(ctx)
	for _, w := range h.cfg.Warnings() {
		h.log.Warn("machines will likely not boot", "reason", w.What, "remedy", w.Right)
	}
	h.sweepTraces(ctx)
	return errors.Join(err, h.inv.IndexIdentities(ctx))
}

func (h *house) openServices(context.Context) (err error) {
	addresses := map[string]boot.Addresses{}
	for _, i := range h.cfg.Interfaces {
		addresses[i.Name] = boot.Addresses{HTTP: i.HTTP, Portal: i.Portal}
	}
	h.locator = locator.New(h.inv)
	h.boot = boot.New(boot.Options{
		Inventory: h.inv, Disks: h.storage, Recorder: h.rec, Locate: h.locator.Locate, Log: h.log, Loaders: h.loaders,
		IQNPrefix: h.cfg.IQNPrefix, HTTPPort: uint16(h.cfg.Ports.HTTP), ISCSIPort: uint16(h.cfg.Ports.ISCSI),
		Addresses: addresses, Targets: &h.targets, OneWayCHAP: !h.cfg.Auth.Mutual, Unknown: unknownMachines(h.cfg),
		SimulationEnded: h.targets.EndSimulation,
		Check:           h.storage.CheckLayer, Contents: h.contents,
		Pace: h.targets.Pace, Sent: h.sentTo,
		Moved: h.targets.Moved, Others: h.rivals, Knocks: h.knocks, Heard: h.heard, Neighbours: neighbours{h}, TFTPPort: uint16(h.cfg.Ports.TFTP), Data: h.cfg.Data,
	})
	h.onClose(func() error { h.boot.Close(); return nil })
	h.targets.Join(targets.Options{
		Boot: h.boot, Inventory: h.inv, Storage: h.storage, Shelf: &h.shelf, Traces: h.traces, WarnAt: h.cfg.Limits.Warn, Log: h.log,
	})
	h.metrics = h.newMetrics()
	if h.packets, err = h.openPackets(); err != nil {
		return err
	}
	h.onClose(h.packets.Close)
	return nil
}
