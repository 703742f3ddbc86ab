package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/shelf"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/trace"
)

// gate lets package boot decide who may open a disk, and opens it.
type gate struct {
	boot    *boot.Service
	inv     *inventory.Inventory
	storage *storage.Storage
	log     *slog.Logger
	warnAt  int // percent of a volume's limit
	shelf   *shelf.Shelf
	traces  *trace.Keeper
}

func initiator(l iscsi.Login) boot.Initiator {
	return boot.Initiator{Name: l.Initiator, Target: l.Target, Remote: l.Remote.Addr()}
}

func (g *gate) Account(ctx context.Context, _ iscsi.Login, user string) (string, bool) {
	return g.boot.Secret(ctx, user)
}

// Prove makes g an iscsi.Prover.
func (g *gate) Prove(ctx context.Context, _ iscsi.Login, user string) (name, secret string, ok bool) {
	return g.boot.Prove(ctx, user)
}

var _ iscsi.Prover = (*gate)(nil)

func (g *gate) Visible(ctx context.Context, l iscsi.Login, user string) []string {
	return g.boot.Visible(ctx, initiator(l), user)
}

func (g *gate) Refused(l iscsi.Login, user, reason string) {
	g.boot.LoginRefused(initiator(l), user, reason)
}

func (g *gate) Admit(ctx context.Context, l iscsi.Login, user string) (*iscsi.Grant, error) {
	ad, err := g.boot.Admit(ctx, initiator(l), user)
	var denied *boot.Denied
	if errors.As(err, &denied) {
		return nil, &iscsi.Refusal{Status: iscsi.StatusForbidden, Reason: denied.Reason}
	}
	if err != nil {
		return nil, err
	}
	return &iscsi.Grant{
		Owner: ad.Boot.ID,
		Open:  func(ctx context.Context) (iscsi.Units, error) { return g.open(ctx, ad) },
	}, nil
}

// open makes the logical units of a boot. The sessions of older boots are gone.
func (g *gate) open(ctx context.Context, ad *boot.Admitted) (iscsi.Units, error) {
	if ad.Look != nil {
		return g.openLook(ctx, *ad.Look)
	}
	g.boot.Forget(ctx, ad)
	disk, err := g.openDisk(ctx, ad)
	if err != nil {
		g.boot.Opened(ad.Boot, diagnose.Layout{}, err)
		g.boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("its disk cannot be opened: %v", err))
		g.log.Error("disk cannot be opened", "machine", ad.Machine.Name, "err", err)
	}
	return disk, err
}

func (g *gate) openDisk(ctx context.Context, ad *boot.Admitted) (iscsi.Units, error) {
	v, err := g.inv.Volume(ctx, ad.Boot.Volume)
	if err != nil {
		return nil, err
	}
	luns := iscsi.Units{}
	if g.givesIdentity(ctx, v) {
		m, err := boot.IdentityFor(ad.Machine, v)
		if err != nil {
			return nil, err
		}
		content, err := boot.IdentityDisk(m)
		if err != nil {
			return nil, err
		}
		luns[1] = iscsi.Unit{Disk: scsi.NewDisk(scsi.ReadOnlyBytes(content), scsi.Identity{
			Vendor: "BOOTES", Product: "IDENTITY", Revision: "1", Serial: v.ID + "-id",
			UUID: diskUUID(v.ID + "/identity"), ReadOnly: true,
		})}
	}
	if luns[bootDisk], err = g.bootUnit(ctx, ad, v); err != nil {
		return nil, err
	}
	g.addAttached(ctx, ad, luns)
	return luns, nil
}

// openVolume opens the disk of a boot, or that of static credentials. The latter
// writes through: after a power cut of this server nothing tells a system that
// goes on from one that starts afresh.
func (g *gate) openVolume(ctx context.Context, ad *boot.Admitted) (*storage.Opened, error) {
	if !ad.Static {
		return g.storage.OpenFor(ctx, ad.Boot)
	}
	if err := g.storage.SetWriteThrough(ctx, ad.Boot.Volume, true); err != nil {
		return nil, err
	}
	return g.storage.OpenVolume(ctx, ad.Boot.Volume)
}

var _ scsi.Mapper = (*storage.Opened)(nil)

// provisioning is the space of a volume, as its machine may ask for it.
func (g *gate) provisioning(v *storage.Opened) scsi.Provisioning {
	p := scsi.Provisioning{Used: v.Used(), Limit: v.Limit()}
	if g.warnAt < 100 {
		p.Warn = p.Limit / 100 * int64(g.warnAt)
	}
	return p
}

// givesIdentity reports whether the system on v takes its identity from LUN 1.
// Volumes of before they said so themselves are as their image is.
func (g *gate) givesIdentity(ctx context.Context, v inventory.Volume) bool {
	if v.Identity || v.Image == "" {
		return v.Identity
	}
	i, err := g.inv.Image(ctx, v.Image)
	return err == nil && i.Identity
}

// closed looks at how a disk was closed. One that has failed may have lost
// writes: the system that runs from it must not find it again and go on.
func (g *gate) closed(ad *boot.Admitted, err error) {
	if err == nil {
		return
	}
	g.log.Error("disk did not close cleanly", "machine", ad.Machine.Name, "volume", ad.Boot.Volume, "err", err)
	if !errors.Is(err, block.ErrFailed) {
		return
	}
	g.boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("its disk has failed, and the machine must boot again: %v", err))
	if err := g.inv.EndBoots(context.Background(), ad.Machine.Name); err != nil {
		g.log.Error("boots of a failed disk could not be ended", "machine", ad.Machine.Name, "err", err)
	}
}

// sessions tells the recorder what the target's sessions show of a boot, and
// adds up what each boot has read and written.
type sessions struct {
	boot   *boot.Service
	traces *trace.Keeper
	log    *slog.Logger

	mu    sync.Mutex
	known map[string]*ownerBoot // by owner
	slow  map[string]*slowness  // by volume
}

// ownerBoot is a boot with what it has moved so far. The target counts per
// opening of a disk; before is the sum of the earlier ones.
type ownerBoot struct {
	inventory.Boot
	before, last iscsi.Usage
}

func (o *ownerBoot) count(u iscsi.Usage) {
	if u.Reads < o.last.Reads || u.Writes < o.last.Writes { // opened anew
		o.before.Reads += o.last.Reads
		o.before.Writes += o.last.Writes
		o.before.ReadBytes += o.last.ReadBytes
		o.before.WrittenBytes += o.last.WrittenBytes
	}
	o.last = u
}

func (o *ownerBoot) read() int64    { return int64(o.before.ReadBytes + o.last.ReadBytes) }
func (o *ownerBoot) written() int64 { return int64(o.before.WrittenBytes + o.last.WrittenBytes) }

func (s *sessions) SessionEvent(e iscsi.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.owner(e.Session.Owner)
	if !ok {
		return
	}
	o.count(e.Session.Usage)
	s.trace(e)
	remote := e.Session.Remote.Addr()
	switch e.Kind {
	case iscsi.LoggedIn:
		s.boot.LoggedIn(o.Boot, boot.Session{Remote: remote, Firmware: e.Session.FromIPXE(), Mutual: e.Session.Mutual})
	case iscsi.FirstRead:
		s.boot.Reach(o.Boot, recorder.StageRead, "first read")
	case iscsi.FirstWrite:
		s.boot.Reach(o.Boot, recorder.StageRunning, "first write: the system runs")
	case iscsi.Fenced:
		s.boot.Progress(o.Boot, "", recorder.Info, fmt.Sprintf("session of %s ended: %s", remote, e.Reason))
	case iscsi.Ended:
		s.boot.Progress(o.Boot, "", recorder.Info, fmt.Sprintf("session of %s closed (%s); this boot has read %s and written %s",
			remote, e.Reason, bytesize.Format(o.read()), bytesize.Format(o.written())))
		s.boot.SessionEnded(o.Boot, boot.Session{Remote: remote, Firmware: e.Session.FromIPXE(), LoggedOut: e.Reason == iscsi.ReasonLogout}, e.Reason, time.Since(e.Session.Since)-e.Silent)
	}
}

// moved is what the boots of each volume in use have read and written.
func (s *sessions) moved(running []iscsi.SessionInfo, volume string) (read, written int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range running {
		if o, ok := s.owner(r.Owner); ok && o.Volume == volume {
			o.count(r.Usage)
			return o.read(), o.written()
		}
	}
	return 0, 0
}

// traffic is what the boots that have sessions have moved, by the ids of their
// timelines.
func (s *sessions) traffic(running []iscsi.SessionInfo) map[string]api.Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]api.Traffic{}
	for _, r := range running {
		o, ok := s.owner(r.Owner)
		if !ok {
			continue
		}
		o.count(r.Usage)
		all[boot.Timeline(o.Boot)] = api.Traffic{ReadBytes: o.read(), WrittenBytes: o.written(), Connected: true}
	}
	return all
}

// owner is the boot that owns a session. It is remembered: when a session is
// fenced the boot's record is already gone.
func (s *sessions) owner(id string) (*ownerBoot, bool) {
	if boot.Simulated(id) {
		return nil, false
	}
	o, ok := s.known[id]
	if ok && o.Seq != 0 {
		return o, true
	}
	b, err := s.boot.Owner(context.Background(), id)
	if ok && (err != nil || b.Held.Equal(o.Held)) { // static credentials go on, or were revoked meanwhile
		return o, true
	}
	if err != nil {
		s.log.Warn("session of an unknown boot", "boot", id, "err", err)
		return nil, false
	}
	for old, o := range s.known {
		if o.Machine == b.Machine && o.Seq+1 < b.Seq {
			delete(s.known, old)
		}
	}
	o = &ownerBoot{Boot: b}
	s.known[id] = o
	return o, true
}
