package scsi

import "slices"

// place is where a disk is a logical unit.
type place struct {
	target *Target
	lun    uint8
}

func (d *Disk) settleAt(p place) {
	d.placed.Lock()
	defer d.placed.Unlock()
	d.places = append(d.places, p)
}

func (d *Disk) leave(p place) {
	d.placed.Lock()
	defer d.placed.Unlock()
	if i := slices.Index(d.places, p); i >= 0 {
		d.places = slices.Delete(d.places, i, i+1)
	}
}

// everyNexus calls f for each nexus by which the disk is reached, with the
// number by which it reaches it.
func (d *Disk) everyNexus(f func(n *Nexus, lun uint8)) {
	d.placed.Lock()
	places := slices.Clone(d.places)
	d.placed.Unlock()
	for _, p := range places {
		for _, n := range p.target.everyNexus() {
			f(n, p.lun)
		}
	}
}

// announce tells u to all nexuses but one.
func (d *Disk) announce(but *Nexus, u UnitAttention) {
	d.everyNexus(func(n *Nexus, lun uint8) {
		if n != but {
			n.Notify(lun, u)
		}
	})
}

// gone tells whether the disk that c was decoded for is that unit no more.
func (d *Disk) gone(c *Command) bool { return c.nexus.target.disks[c.lun].Load() != d }
