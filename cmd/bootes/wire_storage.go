package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// targets are the machines' iSCSI targets, as storage sees them. Before serve is
// called there are no sessions.
type targets struct {
	now atomic.Pointer[running]
}

type running struct {
	server *iscsi.Server
	boot   *boot.Service
}

func (t *targets) serve(s *iscsi.Server, b *boot.Service) { t.now.Store(&running{s, b}) }

func (t *targets) EndDead(ctx context.Context, machine string) {
	if r := t.now.Load(); r != nil {
		r.server.EndDead(ctx, r.boot.Target(machine))
	}
}

func (t *targets) Vacate(ctx context.Context, machine, reason string) (release func(), err error) {
	r := t.now.Load()
	if r == nil {
		return func() {}, nil
	}
	return r.server.Vacate(ctx, r.boot.Target(machine), reason)
}

func (t *targets) sessions() []iscsi.SessionInfo {
	if r := t.now.Load(); r != nil {
		return r.server.Sessions()
	}
	return nil
}

// of are the sessions of the machine that a boot is of, its older boots' among
// them.
func (t *targets) of(boot string) []iscsi.SessionInfo {
	r := t.now.Load()
	machine := inventory.MachineOf(boot)
	if r == nil || machine == "" {
		return nil
	}
	return r.server.Alive(r.boot.Target(machine))
}

// Holder makes t boot.Targets.
func (t *targets) Holder(target string) (owner string, since time.Time) {
	if r := t.now.Load(); r != nil {
		return oldest(r.server.Alive(target))
	}
	return "", time.Time{}
}

// Alive makes t boot.Targets.
func (t *targets) Alive(ctx context.Context, target string) (owner string, since time.Time) {
	r := t.now.Load()
	if r == nil {
		return "", time.Time{}
	}
	r.server.EndDead(ctx, target)
	return oldest(slices.DeleteFunc(r.server.Alive(target), func(s iscsi.SessionInfo) bool { return s.FromIPXE() }))
}

func oldest(list []iscsi.SessionInfo) (owner string, since time.Time) {
	for _, s := range list {
		if owner == "" || s.Since.Before(since) {
			owner, since = s.Owner, s.Since
		}
	}
	return owner, since
}

func (t *targets) refusedLogins() map[string]uint64 {
	if r := t.now.Load(); r != nil {
		return r.server.RefusedLogins()
	}
	return nil
}

// bootDisk is the logical unit that a machine boots from.
const bootDisk = 0

// seat is where a system that runs has a volume.
type seat struct {
	boot inventory.Boot
	lun  uint8
}

// tell lets the systems that have a volume know what has become of it.
func (h *house) tell(ctx context.Context, volume string, news scsi.UnitAttention) {
	for _, s := range h.seats(ctx, volume) {
		h.targets.now.Load().server.Notify(s.boot.ID, s.lun, news)
	}
}

// seats are where a volume is open now.
func (h *house) seats(ctx context.Context, volume string) (at []seat) {
	seen := map[string]bool{}
	for _, s := range h.targets.sessions() {
		if seen[s.Owner] {
			continue
		}
		seen[s.Owner] = true
		b, err := h.boot.Owner(ctx, s.Owner)
		if err != nil {
			continue
		}
		if b.Volume == volume {
			at = append(at, seat{b, bootDisk})
		}
		m, err := h.inv.Machine(ctx, b.Machine)
		if err != nil {
			continue
		}
		for _, a := range m.Disks {
			if a.Volume == volume {
				at = append(at, seat{b, a.LUN})
			}
		}
	}
	return at
}

// warn passes a warning on to the timelines of the boots that it is about, and
// to the systems themselves.
func (h *house) warn(w storage.Warning) {
	ctx := context.Background()
	for _, s := range h.seats(ctx, w.Volume.ID) {
		h.boot.Progress(s.boot, "", recorder.Warn, w.String())
	}
	h.tell(ctx, w.Volume.ID, scsi.SoftThreshold)
}

// hashed records what the engine has found out.
func (h *house) hashed(l cow.LayerInfo) {
	if s := h.hashes.Load(); s != nil {
		s.Hashed(context.Background(), l.ID, l.Digest)
	}
}
