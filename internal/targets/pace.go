package targets

import (
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
)

// Pace is how a boot goes on, by the newest session of its machine; nothing if it
// has none.
func (t *Targets) Pace(id string) (p diagnose.Pace) {
	s, machine := t.now.Load(), inventory.MachineOf(id)
	if s == nil || machine == "" {
		return p
	}
	target := t.o.Boot.Target(machine)
	line, ok := s.Line(target)
	if !ok {
		return p
	}
	p = diagnose.Pace{Session: line.Began, Sent: line.Sent, Resent: line.Resent, Busy: line.Busy, Full: line.Full, RTT: line.RTT, Quiet: line.Quiet}
	addUnits(&p, s.UnitsOf(target))
	return p
}

// addUnits adds what logical units were asked, and whose limits it was by which
// most of the time went.
func addUnits(p *diagnose.Pace, units []iscsi.UnitIO) {
	longest := time.Duration(-1)
	for _, u := range units {
		var all iscsi.Latency
		for _, op := range u.Ops {
			all.Add(op)
		}
		p.Commands += all.Count
		p.Read += int64(u.Ops[iscsi.OpRead].Bytes)
		p.Served += all.Sum
		if all.Sum > longest {
			longest, p.Volume, p.IOPS, p.Bandwidth = all.Sum, u.Name, u.Limits.IOPS, u.Limits.BytesPerSecond
		}
	}
}
