package main

import (
	"context"
	"sync/atomic"

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

func (t *targets) refusedLogins() map[string]uint64 {
	if r := t.now.Load(); r != nil {
		return r.server.RefusedLogins()
	}
	return nil
}

// bootDisk is the logical unit that a machine boots from.
const bootDisk = 0

// tell lets the system that runs from a volume know what has become of it.
func (h *house) tell(ctx context.Context, volume string, news scsi.UnitAttention) {
	if b, ok := h.runningFrom(ctx, volume); ok {
		h.targets.now.Load().server.Notify(b.ID, bootDisk, news)
	}
}

// runningFrom is the boot that has a volume open.
func (h *house) runningFrom(ctx context.Context, volume string) (inventory.Boot, bool) {
	for _, s := range h.targets.sessions() {
		if b, err := h.inv.Boot(ctx, s.Owner); err == nil && b.Volume == volume {
			return b, true
		}
	}
	return inventory.Boot{}, false
}

// warn passes a warning on to the timeline of the boot that it is about, and to
// the system itself.
func (h *house) warn(w storage.Warning) {
	ctx := context.Background()
	if b, ok := h.runningFrom(ctx, w.Volume.ID); ok {
		h.boot.Progress(b, "", recorder.Warn, w.String())
		h.tell(ctx, w.Volume.ID, scsi.SoftThreshold)
	}
}

// hashed records what the engine has found out.
func (h *house) hashed(l cow.LayerInfo) {
	if s := h.hashes.Load(); s != nil {
		s.Hashed(context.Background(), l.ID, l.Digest)
	}
}
