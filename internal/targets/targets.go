// Package targets gives each machine its iSCSI target: it lets package boot
// decide who may open it, opens the logical units behind it, tells the boot's
// timeline what its sessions show, and changes what a running machine has.
package targets

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/shelf"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/trace"
)

// BootDisk is the logical unit that a machine boots from.
const BootDisk = 0

// LastIO is how long the last I/O of a machine may take whose disk is taken away.
const LastIO = 30 * time.Second

// Options are what stands behind the targets.
type Options struct {
	Boot      *boot.Service
	Inventory *inventory.Inventory
	Storage   *storage.Storage
	Shelf     *shelf.Shelf
	Traces    *trace.Keeper
	WarnAt    int // percent of a volume's limit
	Log       *slog.Logger
}

// Targets are the machines' targets. Package storage and package boot ask it
// while they are made themselves, so it is ready for use as it is: without
// sessions, until Join and NewServer are called, in this order.
type Targets struct {
	o        Options
	now      atomic.Pointer[iscsi.Server]
	sessions sessions
	turns    [64]sync.Mutex // see inTurn; machines share them by their names
}

var (
	_ storage.Sessions = (*Targets)(nil)
	_ boot.Targets     = (*Targets)(nil)
)

// Join connects the targets with what stands behind them.
func (t *Targets) Join(o Options) {
	t.o = o
	t.sessions.boot, t.sessions.traces, t.sessions.log = o.Boot, o.Traces, o.Log
}

// NewServer is an iSCSI server of the targets, which has to be served. What o
// says of authority and events is set here.
func (t *Targets) NewServer(o iscsi.Options) *iscsi.Server {
	o.Authority, o.Events = &gate{t.o}, &t.sessions
	s := iscsi.New(o)
	t.now.Store(s)
	return s
}

// EndDead makes t storage.Sessions.
func (t *Targets) EndDead(ctx context.Context, machine string) {
	if s := t.now.Load(); s != nil {
		s.EndDead(ctx, t.o.Boot.Target(machine))
	}
}

// Vacate makes t storage.Sessions.
func (t *Targets) Vacate(ctx context.Context, machine, reason string) (release func(), err error) {
	s := t.now.Load()
	if s == nil {
		return func() {}, nil
	}
	return s.Vacate(ctx, t.o.Boot.Target(machine), reason)
}

// Sessions are those of all targets.
func (t *Targets) Sessions() []iscsi.SessionInfo {
	if s := t.now.Load(); s != nil {
		return s.Sessions()
	}
	return nil
}

// of are the sessions of a machine, its older boots' among them.
func (t *Targets) of(machine string) []iscsi.SessionInfo {
	s := t.now.Load()
	if s == nil || machine == "" {
		return nil
	}
	return s.Alive(t.o.Boot.Target(machine))
}

// Holder makes t boot.Targets.
func (t *Targets) Holder(target string) (owner string, since time.Time) {
	if s := t.now.Load(); s != nil {
		return oldest(s.Alive(target))
	}
	return "", time.Time{}
}

// Alive makes t boot.Targets.
func (t *Targets) Alive(ctx context.Context, target string) (owner string, since time.Time) {
	s := t.now.Load()
	if s == nil {
		return "", time.Time{}
	}
	s.EndDead(ctx, target)
	return oldest(slices.DeleteFunc(s.Alive(target), func(i iscsi.SessionInfo) bool { return i.FromIPXE() }))
}

func oldest(list []iscsi.SessionInfo) (owner string, since time.Time) {
	for _, s := range list {
		if owner == "" || s.Since.Before(since) {
			owner, since = s.Owner, s.Since
		}
	}
	return owner, since
}

// EndStatic ends the sessions that static credentials have begun, and that of a
// login which is under way.
func (t *Targets) EndStatic(ctx context.Context, st inventory.Static, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastIO)
	defer cancel()
	target, owner, _, err := t.held(ctx, st.Machine)
	if err != nil || owner != st.User {
		return err
	}
	return t.now.Load().EndSessions(ctx, target, why)
}

// EndSimulation ends the sessions of a simulated machine.
func (t *Targets) EndSimulation(target string) {
	s := t.now.Load()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.EndSessions(ctx, target, "the simulation is over") // they end all the same, later
}
