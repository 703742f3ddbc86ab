package scsi

import (
	"slices"
	"sync"
)

// Target is a SCSI target device: logical units, and the I_T nexuses through
// which they are reached. It has one target port.
type Target struct {
	port  string // name of the target port
	disks [256]*Disk
	luns  []uint8 // in order

	mu      sync.Mutex
	nexuses []*Nexus
}

// NewTarget returns the target device whose port is called port, in iSCSI
// "IQN,t,0x0001". Its disks are units of no other target.
func NewTarget(port string, units map[uint8]*Disk) *Target {
	t := &Target{port: port}
	for lun, d := range units {
		d.target, d.lun = t, lun
		t.disks[lun] = d
		t.luns = append(t.luns, lun)
	}
	slices.Sort(t.luns)
	return t
}

// Unit returns the logical unit lun, or Absent.
func (t *Target) Unit(lun uint16) *Disk {
	if int(lun) < len(t.disks) && t.disks[lun] != nil {
		return t.disks[lun]
	}
	return Absent
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
// is not to survive it is forgotten, and every nexus is told.
func (t *Target) Reset(u UnitAttention, units ...*Disk) {
	if u == BusReset {
		units = units[:0]
		for _, lun := range t.luns {
			units = append(units, t.disks[lun])
		}
	}
	for _, d := range units {
		d.reset()
		d.announce(nil, u)
	}
}

// announce tells u to all nexuses but one.
func (d *Disk) announce(but *Nexus, u UnitAttention) {
	if d.target == nil {
		return
	}
	for _, n := range d.target.everyNexus() {
		if n != but {
			n.Notify(d.lun, u)
		}
	}
}
