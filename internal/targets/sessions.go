package targets

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/trace"
)

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
	case iscsi.FellSilent:
		s.boot.FellSilent(o.Boot, e.Silent, e.Unanswered, time.Since(e.Session.Since)-e.Silent)
	case iscsi.HeardAgain:
		s.boot.HeardAgain(o.Boot)
	case iscsi.Fenced:
		s.boot.Progress(o.Boot, "", recorder.Info, fmt.Sprintf("%s session, from %s, ended: %s", whose(o.Boot, e.Session), remote, e.Reason))
	case iscsi.Ended:
		s.boot.Progress(o.Boot, "", recorder.Info, fmt.Sprintf("%s session, from %s, closed (%s); this boot has read %s and written %s",
			whose(o.Boot, e.Session), remote, e.Reason, bytesize.Format(o.read()), bytesize.Format(o.written())))
		s.boot.SessionEnded(o.Boot, boot.Session{
			Remote: remote, Firmware: e.Session.FromIPXE(), LoggedOut: e.Reason == iscsi.ReasonLogout,
			Untaken: e.Reason == iscsi.ReasonUntaken, Unanswered: e.Unanswered}, e.Reason, time.Since(e.Session.Since)-e.Silent)
	}
}

// whose a session is, in words.
func whose(b inventory.Boot, i iscsi.SessionInfo) string {
	switch {
	case b.Seq == 0:
		return "the static credentials'"
	case i.FromIPXE():
		return "iPXE's"
	}
	return "its system's"
}

// volume is what the boot that has a volume has read and written.
func (s *sessions) volume(running []iscsi.SessionInfo, volume string) (read, written int64) {
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
func (s *sessions) traffic(running []iscsi.SessionInfo) map[string]Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Traffic{}
	for _, r := range running {
		o, ok := s.owner(r.Owner)
		if !ok {
			continue
		}
		o.count(r.Usage)
		all[boot.Timeline(o.Boot)] = Traffic{o.read(), o.written()}
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
	if s.known == nil {
		s.known = map[string]*ownerBoot{}
	}
	s.known[id] = o
	return o, true
}

// boots is what one boot has moved, with what it moves by the sessions that are
// open now.
func (s *sessions) boots(id string, open []iscsi.SessionInfo) (m boot.Moved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.known[id]
	if o == nil {
		return m
	}
	for _, i := range open {
		if i.Owner == id {
			o.count(i.Usage)
			m.Firmware = m.Firmware || i.FromIPXE()
			m.System = m.System || !i.FromIPXE()
		}
	}
	m.Reads, m.Read = o.before.Reads+o.last.Reads, o.read()
	m.Writes, m.Written = o.before.Writes+o.last.Writes, o.written()
	return m
}
