package scsi

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Target is a SCSI target device: logical units, and the I_T nexuses through
// which they are reached. It has one target port.
type Target struct {
	port  string // name of the target port
	disks [256]atomic.Pointer[Disk]

	moving  sync.Mutex // held while units come and go
	mu      sync.Mutex
	nexuses []*Nexus
}

// NewTarget returns the target device whose port is called port, in iSCSI
// "IQN,t,0x0001".
func NewTarget(port string, units map[uint8]*Disk) *Target {
	t := &Target{port: port}
	for lun, d := range units {
		t.Add(lun, d)
	}
	return t
}

// Add makes d the logical unit lun, in place of the one that was there. Every
// nexus is told that the LUNs have changed.
//
// A Disk may be a unit of several targets, and then it is still one: the
// nexuses of all of them share its modes and reservations, and hear what the
// others have done to it.
func (t *Target) Add(lun uint8, d *Disk) {
	t.moving.Lock()
	defer t.moving.Unlock()
	t.remove(lun)
	d.settleAt(place{t, lun})
	t.disks[lun].Store(d)
	t.lunsChanged()
}

// Remove takes the logical unit lun away, if there is one, and tells every
// nexus. From then on its commands are refused by Decode and Admit; those that
// were admitted before are the transport's to wait for. What its nexuses have
// reserved by RESERVE is given up; their registrations for persistent
// reservations stay.
func (t *Target) Remove(lun uint8) {
	t.moving.Lock()
	defer t.moving.Unlock()
	if t.remove(lun) {
		t.lunsChanged()
	}
}

// Close removes all units. Disks that outlast a target must be taken from it.
func (t *Target) Close() {
	t.moving.Lock()
	defer t.moving.Unlock()
	for _, lun := range t.luns() {
		t.remove(lun)
	}
}

// remove takes lun away and tells whether it was there.
func (t *Target) remove(lun uint8) bool {
	d := t.disks[lun].Swap(nil)
	if d == nil {
		return false
	}
	d.leave(place{t, lun})
	for _, n := range t.everyNexus() {
		n.forget(lun)
	}
	if !slices.ContainsFunc(t.units(), func(other *Disk) bool { return other.state == d.state }) {
		d.unreserve(func(holder *Nexus) bool { return holder.target == t })
	}
	return true
}

func (t *Target) lunsChanged() {
	luns := t.luns()
	for _, n := range t.everyNexus() {
		for _, lun := range luns {
			n.Notify(lun, LUNsChanged)
		}
	}
}

// Unit returns the logical unit lun, or Absent.
func (t *Target) Unit(lun uint16) *Disk {
	if int(lun) < len(t.disks) {
		if d := t.disks[lun].Load(); d != nil {
			return d
		}
	}
	return Absent
}

// luns are the numbers that have a unit, in order.
func (t *Target) luns() []uint8 {
	var list []uint8
	for lun := range t.disks {
		if t.disks[lun].Load() != nil {
			list = append(list, uint8(lun))
		}
	}
	return list
}

// units are the disks, in the order of their numbers.
func (t *Target) units() []*Disk {
	var list []*Disk
	for lun := range t.disks {
		if d := t.disks[lun].Load(); d != nil {
			list = append(list, d)
		}
	}
	return list
}

// The target port's relative identifier, and the group it is alone in.
const (
	portNumber = 1
	portGroup  = 1
)

// everyNexus returns those that are joined now.
func (t *Target) everyNexus() []*Nexus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.nexuses)
}

// Reset is what remains of a reset of the whole target or, with UnitReset, of
// the logical units given, once the transport has ended their commands: what
// is not to survive it is forgotten, and every nexus is told. To those of other
// targets their unit was reset, whatever was here.
func (t *Target) Reset(u UnitAttention, units ...*Disk) {
	if u == BusReset {
		units = t.units()
	}
	for _, d := range units {
		d.reset()
		d.everyNexus(func(n *Nexus, lun uint8) {
			if n.target == t {
				n.Notify(lun, u)
			} else {
				n.Notify(lun, UnitReset)
			}
		})
	}
}

// Elsewhere calls f for each nexus by which the units given, or all with none,
// are reached through another target: whoever clears or resets a unit has to end
// their commands, too (SAM-5, 7.5 and 7.7).
func (t *Target) Elsewhere(f func(n *Nexus, lun uint8), units ...*Disk) {
	if len(units) == 0 {
		units = t.units()
	}
	for _, d := range units {
		d.everyNexus(func(n *Nexus, lun uint8) {
			if n.target != t {
				f(n, lun)
			}
		})
	}
}
