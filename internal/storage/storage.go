// Package storage joins the disks of the storage engine (package cow) with
// their records (package inventory).
//
// The two cannot be changed in one transaction, so the order matters. When
// removing: the record first, together with a note of what is to be removed,
// then the disk, then the note; a crash in between leaves a note, and
// Reconcile finishes the work. When making a volume: such a note first, then
// the disk, then the record instead of the note. When making an image: its
// layer first, then the record; a crash between these two leaves a layer that
// Reconcile reports. When replacing what a volume holds: a note of what its
// record becomes, then the disk, then the record. Disk space is never freed only because a record is
// missing: a store restored from an old backup must not cost anyone a disk.
package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Options are what a Storage works on.
type Options struct {
	Engine    *cow.Engine
	Inventory *inventory.Inventory
	Dir       string // the engine's folder, for free space and for messages
	MinFree   int64  // bytes of the file system that imports leave free
	Log       *slog.Logger
	Sessions  Sessions

	// WarnAt is the percentage of a volume's limit from which on Watch warns;
	// 0 or 100: never. Warn, if not nil, is told; it must not wait for long.
	WarnAt int
	Warn   func(Warning)
}

// Sessions are those of the machines on their disks.
type Sessions interface {
	// EndDead ends the sessions of a machine that is gone without a word. It
	// takes some seconds.
	EndDead(ctx context.Context, machine string)
	// Vacate ends all sessions of a machine, returns when its disk is closed
	// and lets nobody in again before release is called.
	Vacate(ctx context.Context, machine, reason string) (release func(), err error)
}

type noSessions struct{}

func (noSessions) EndDead(context.Context, string) {}
func (noSessions) Vacate(context.Context, string, string) (func(), error) {
	return func() {}, nil
}

// Storage is safe for use by any number of goroutines.
type Storage struct {
	eng     *cow.Engine
	inv     *inventory.Inventory
	o       Options
	log     *slog.Logger
	now     func() time.Time
	started time.Time
	closing time.Duration // between the end of a session and that of its disk

	// names is held alone while an image goes, and shared while something is
	// made of an image's layer and put on record. Lock order: names, volumes.
	names   sync.RWMutex
	pins    pins
	readers readers
	strays  sync.Map // what removes a layer that has no image → the layer's ID; Reconcile alone adds to it
	claims  claims
	opened  opened
	warned  warned
	tight   atomic.Bool // the disk is nearly full; Watch alone changes it

	// volumes keeps what is done with one volume in order: opening it, removing
	// it, replacing its content. Volumes share its locks by their names.
	volumes [64]sync.Mutex
}

// New joins the engine and the inventory of o, which the caller closes.
func New(o Options) *Storage {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Warn == nil {
		o.Warn = func(Warning) {}
	}
	if o.Sessions == nil {
		o.Sessions = noSessions{}
	}
	return &Storage{eng: o.Engine, inv: o.Inventory, o: o, log: o.Log, now: time.Now, started: time.Now(), closing: time.Second}
}

var seed = maphash.MakeSeed()

// hold locks a volume and returns what unlocks it.
func (s *Storage) hold(volume string) func() {
	mu := &s.volumes[maphash.String(seed, volume)%uint64(len(s.volumes))]
	mu.Lock()
	return mu.Unlock
}

// finish removes from disk what a note says, and the note.
func (s *Storage) finish(ctx context.Context, r inventory.Removal) error {
	var err error
	switch r.Kind {
	case inventory.RemoveLayer:
		err = s.eng.RemoveLayer(r.ID)
	case inventory.RemoveVolume:
		err = s.eng.RemoveVolume(r.ID)
		s.warned.forget(r.ID)
	case inventory.RemoveSnapshot:
		err = s.finishSnapshot(r.ID)
	default:
		err = fmt.Errorf("unknown kind %q", r.Kind)
	}
	if err != nil && !errors.Is(err, cow.ErrNotExist) {
		return fmt.Errorf("free the space of %s %q (tried again at the next start): %w", r.Kind, r.ID, err)
	}
	return s.inv.ClearRemoval(ctx, r)
}
