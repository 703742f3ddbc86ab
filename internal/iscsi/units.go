package iscsi

import (
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/scsi"
)

// Unit is one logical unit as an Authority makes it.
type Unit struct {
	Disk *scsi.Disk

	Name   string // what it is called in statistics
	Limits Limits // at first; see Server.SetLimits

	// Watch is told of each READ as it comes, of several sessions at once,
	// until it returns false: where on the disk, and how much, in bytes. It
	// must not wait. It may be nil.
	Watch func(offset, length int64) (more bool)

	// Close is called when the last command on the unit has ended and none
	// can come: after the owner's last session, or DetachUnit. It may be nil.
	Close func()
}

// Units are the logical units of one target, by LUN.
type Units map[uint8]Unit

// unit is a Unit while it can be reached.
type unit struct {
	Unit
	srv *Server
	lun uint8
	// users is one for each command that is being served and one while the
	// unit is attached. Whoever brings it to 0 closes the unit.
	users    atomic.Int64
	attached atomic.Int64  // that one; 0 from just before it is taken away
	gone     chan struct{} // closed when the unit is

	watched  atomic.Bool // Watch wants to be told
	order    *order
	throttle *throttle
	since    time.Time
	io       [opKinds]histogram
	slow     slowLog
}

func (s *Server) newUnit(lun uint8, u Unit) *unit {
	n := &unit{Unit: u, srv: s, lun: lun, gone: make(chan struct{}), since: time.Now()}
	n.users.Store(1)
	n.attached.Store(1)
	n.watched.Store(u.Watch != nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openDisk(n)
	if u.Limits != (Limits{}) {
		n.throttle.set(u.Limits)
	}
	return n
}

// enter lets a command in, unless the unit is going.
func (u *unit) enter() bool {
	for {
		n := u.users.Load()
		if n == 0 {
			return false
		}
		if u.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends what enter began. No lock is held.
func (u *unit) leave() {
	switch {
	case u.users.Add(-1) == 0:
		go u.shut() // closing may wait for the disk, and a reader must not
	case u.order.barriers.Load() != 0:
		u.order.wake()
	}
}

// detach ends what newUnit began.
func (u *unit) detach() {
	u.attached.Store(0) // first: a task too many only waits to be counted again
	u.leave()
}

// tell tells whoever watches u of a READ.
func (u *unit) tell(c *scsi.Command) {
	if !u.Watch(c.Offset(), c.Length) {
		u.watched.Store(false)
	}
}

// end ends a task, which has entered u.
func (u *unit) end(t *task) {
	others := u.order.leave(t)
	u.leave()
	if others {
		u.order.wake()
	}
}

func (u *unit) shut() {
	u.srv.closeDisk(u)
	u.order.wake()
	if u.Close != nil {
		u.Close()
	}
	close(u.gone)
}

// absent is the unit of every number that has none. It is never closed.
var absent = newAbsent()

func newAbsent() *unit {
	u := &unit{Unit: Unit{Disk: scsi.Absent}, order: new(order), throttle: new(throttle)}
	u.users.Store(1)
	u.attached.Store(1)
	u.order.join(u)
	return u
}

// noLUN is a number that no unit has.
const noLUN = 0xffff

// unitGone fails the commands of a unit that is detached: LOGICAL UNIT NOT
// SUPPORTED, as the next ones will.
var unitGone = scsi.Sense{Key: 0x5, Code: 0x2500}

// holding is an owner's hold on a target: its units and what it did with them.
type holding struct {
	device *scsi.Target
	units  [256]atomic.Pointer[unit] // by LUN; changed under target.busy
	past   atomic.Pointer[Usage]     // of units that are detached; changed under target.busy

	detaching sync.WaitGroup // units that are on their way out
}

func (s *Server) newHolding(name string, u Units) *holding {
	disks := make(map[uint8]*scsi.Disk)
	h := new(holding)
	for lun, one := range u {
		disks[lun] = one.Disk
		h.units[lun].Store(s.newUnit(lun, one))
	}
	h.device = scsi.NewTarget(name+",t,0x000"+portalGroup, disks)
	return h
}

// enter returns the unit lun for one command, which ends with unit.leave. It
// returns absent if there is no such unit.
func (h *holding) enter(lun uint16) *unit {
	if int(lun) < len(h.units) {
		if u := h.units[lun].Load(); u != nil && u.enter() {
			return u
		}
	}
	absent.users.Add(1)
	return absent
}

// left tells whether u is being detached.
func (h *holding) left(u *unit) bool { return u != absent && h.units[u.lun].Load() != u }

// end closes all units. No session has the target any more.
func (h *holding) end() {
	h.device.Close()
	for lun := range h.units {
		if u := h.units[lun].Swap(nil); u != nil {
			u.detach()
			<-u.gone
		}
	}
	h.detaching.Wait()
}
