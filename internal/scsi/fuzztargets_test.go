package scsi

import (
	"fmt"
	"slices"
	"testing"
)

// world is two targets, two disks that are units of either or both, and who has
// joined.
type world struct {
	*testing.T
	targets [2]*Target
	disks   [2]*Disk
	nexuses []*Nexus
}

var worldCommands = []string{"16", "17", "56", "57", "00", "a0 00 00 000000 00000100", "03 00 00 00 12", "28 00 00000000 00 0001", "25"}

// step does what three bytes say.
func (w *world) step(what, which, how byte) {
	target, disk, lun := w.targets[which&1], w.disks[which>>1&1], which>>2&3
	switch what % 6 {
	case 0:
		target.Add(lun, disk)
	case 1:
		target.Remove(lun)
	case 2:
		if len(w.nexuses) < 6 {
			w.nexuses = append(w.nexuses, target.Join(Initiator{Port: fmt.Sprintf("iqn.%d,i,0x01", how%3)}))
		}
	case 3:
		if i := int(how); i < len(w.nexuses) {
			w.nexuses[i].Leave()
			w.nexuses = slices.Delete(w.nexuses, i, i+1)
		}
	case 4:
		target.Reset(UnitAttention(how%2), target.units()[:min(int(how>>1&1), len(target.units()))]...)
	case 5:
		if len(w.nexuses) > 0 {
			w.command(w.nexuses[int(which)%len(w.nexuses)], lun, worldCommands[int(how)%len(worldCommands)])
		}
	}
}

func (w *world) command(n *Nexus, lun uint8, s string) {
	d := n.target.Unit(uint16(lun))
	var c Command
	if !d.Decode(n, lun, cdb(w, s), &c).OK() || !d.Admit(&c).OK() {
		return
	}
	if c.Kind == Slow {
		d.Execute(&c, nil)
	} else if c.Kind == Control {
		d.Answer(&c, nil)
	}
}

// check: units and places are the same thing, whoever has reserved a disk can
// reach it, and nobody is told of units that are not there.
func (w *world) check() {
	for _, d := range w.disks {
		if h := d.res.simple.Load(); (h != nil) != d.reserved.Load() || h != nil && (!slices.Contains(w.nexuses, h) || !slices.Contains(h.target.units(), d)) {
			w.Fatalf("reserved by %v", h)
		}
		for _, p := range d.places {
			if p.target.disks[p.lun].Load() != d {
				w.Fatalf("the disk is not unit %d", p.lun)
			}
		}
	}
	for _, t := range w.targets {
		for _, lun := range t.luns() {
			if n := len(slices.DeleteFunc(slices.Clone(t.disks[lun].Load().places), func(p place) bool { return p != place{t, lun} })); n != 1 {
				w.Fatalf("unit %d is noted %d times", lun, n)
			}
		}
	}
	for _, n := range w.nexuses {
		any := false
		for lun, p := range n.pending {
			if any = any || !p.None(); !p.None() && n.target.Unit(uint16(lun)) == Absent {
				w.Fatalf("unit %d is not there and has %b to tell", lun, p)
			}
		}
		if any != n.any.Load() {
			w.Fatalf("something pending: %v, noted: %v", any, !any)
		}
	}
}

// FuzzTargets adds and removes units, joins, leaves, resets and reserves.
func FuzzTargets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 5, 0, 2, 0, 0, 2, 1, 0, 5, 0, 0, 1, 0, 0, 5, 1, 3, 3, 0, 0, 4, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		w := &world{T: t, targets: [2]*Target{NewTarget("iqn.near,t,0x0001", nil), NewTarget("iqn.far,t,0x0001", nil)}}
		for i := range w.disks {
			w.disks[i] = NewDisk(ReadOnlyBytes(nil), Identity{ReadOnly: true})
		}
		for ; len(script) >= 3; script = script[3:] {
			w.step(script[0], script[1], script[2])
			w.check()
		}
	})
}
