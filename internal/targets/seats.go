package targets

import (
	"context"
	"errors"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// seat is where a system that runs has a volume.
type seat struct {
	boot inventory.Boot
	lun  uint8
}

// seats are where a volume is open now.
func (t *Targets) seats(ctx context.Context, volume string) (at []seat) {
	seen := map[string]bool{}
	for _, s := range t.Sessions() {
		if seen[s.Owner] {
			continue
		}
		seen[s.Owner] = true
		b, err := t.o.Boot.Owner(ctx, s.Owner)
		if err != nil {
			continue
		}
		if b.Volume == volume {
			at = append(at, seat{b, BootDisk})
		}
		m, err := t.o.Inventory.Machine(ctx, b.Machine)
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

// Tell lets the systems that have a volume know what has become of it.
func (t *Targets) Tell(ctx context.Context, volume string, news scsi.UnitAttention) {
	for _, s := range t.seats(ctx, volume) {
		t.now.Load().Notify(s.boot.ID, s.lun, news)
	}
}

// Warn passes a warning on to the timelines of the boots that it is about, and
// to the systems themselves.
func (t *Targets) Warn(w storage.Warning) {
	ctx := context.Background()
	for _, s := range t.seats(ctx, w.Volume.ID) {
		t.o.Boot.Progress(s.boot, "", recorder.Warn, w.String())
	}
	t.Tell(ctx, w.Volume.ID, scsi.SoftThreshold)
}

// Limit sets how fast a volume, changed on record already, serves those who have
// it open. A login that is under way has perhaps read what was so before.
func (t *Targets) Limit(ctx context.Context, v inventory.Volume) error {
	ctx, cancel := context.WithTimeout(ctx, LastIO)
	defer cancel()
	at, err := t.o.Inventory.AttachedTo(ctx, v.ID)
	if err != nil {
		return err
	}
	if v.Machine != "" {
		at = append(at, inventory.Seat{Machine: v.Machine, LUN: BootDisk})
	}
	for _, seat := range at {
		if _, _, _, err := t.held(ctx, seat.Machine); err != nil {
			return err
		}
	}
	for _, s := range t.seats(ctx, v.ID) {
		err := t.now.Load().SetLimits(t.o.Boot.Target(s.boot.Machine), s.lun, limits(v))
		if err != nil && !errors.Is(err, iscsi.ErrNoUnit) { // it has gone meanwhile
			return err
		}
	}
	return nil
}
