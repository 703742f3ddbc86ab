package targets

import (
	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
)

// RefusedLogins counts them by their reason.
func (t *Targets) RefusedLogins() map[string]uint64 {
	if s := t.now.Load(); s != nil {
		return s.RefusedLogins()
	}
	return nil
}

// Totals are what all disks have been asked; nil before there is a server.
func (t *Targets) Totals() map[iscsi.Op]iscsi.Latency {
	s := t.now.Load()
	if s == nil {
		return nil
	}
	all := map[iscsi.Op]iscsi.Latency{}
	for op, l := range s.Totals() {
		all[iscsi.Op(op)] = l
	}
	return all
}

// Latencies are those of the volumes that are open: of one that several machines
// have, of all together.
func (t *Targets) Latencies() map[string]iscsi.UnitIO {
	s := t.now.Load()
	if s == nil {
		return nil
	}
	byVolume := map[string]iscsi.UnitIO{}
	for _, u := range s.Latencies() {
		if u.Name == "" {
			continue // no volume
		}
		if other, ok := byVolume[u.Name]; ok {
			u = u.Plus(other)
		}
		byVolume[u.Name] = u
	}
	return byVolume
}

// Moved is what a boot has read and written, by all of its sessions.
func (t *Targets) Moved(id string) boot.Moved {
	machine := inventory.MachineOf(id)
	m := t.sessions.boots(id, t.of(machine))
	if s := t.now.Load(); s != nil && machine != "" {
		m.Unacknowledged = s.Unacknowledged(t.o.Boot.Target(machine))
	}
	return m
}

// VolumeMoved is what the boot that has a volume has moved, in bytes.
func (t *Targets) VolumeMoved(volume string) (read, written int64) {
	return t.sessions.volume(t.Sessions(), volume)
}

// Traffic is what a boot has moved, in bytes.
type Traffic struct{ Read, Written int64 }

// Traffic is what the boots that have sessions have moved, by the ids of their
// timelines.
func (t *Targets) Traffic() map[string]Traffic {
	return t.sessions.traffic(t.Sessions())
}
