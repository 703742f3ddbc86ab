package scsi

import (
	"sync"
	"sync/atomic"
)

// access is what a command needs of a disk that another initiator has
// reserved.
type access byte

// always is served whatever is reserved, free under any persistent reservation,
// reads where the others may read. What is not declared counts as writes.
const (
	undeclared access = iota
	always
	free
	reads
	writes
)

// accessOf is what the command needs; some need more with some flags.
func (op *operation) accessOf(cdb *CDB) access {
	switch {
	case op.access == undeclared:
		return writes
	case op.code == opPreventRemoval && cdb[4]&0x03 != 0:
		return writes
	case op.code == opStartStopUnit && (cdb[4]&1 == 0 || cdb[4]>>4 != 0):
		return writes
	}
	return op.access
}

// reservations is who may use a disk. What is read for each command is
// changed under making, which may be held while something is made durable.
type reservations struct {
	making     sync.Mutex
	keeper     Keeper
	persistent atomic.Pointer[persistent] // never nil
	simple     atomic.Pointer[Nexus]      // who holds a RESERVE
}

// reserve sets what is reserved, and whether commands have to look.
func (d *Disk) reserve(p *persistent, simple *Nexus) {
	d.res.persistent.Store(p)
	d.res.simple.Store(simple)
	d.reserved.Store(p.kind != noReservation || simple != nil)
}

// conflicts tells whether a command of nexus n is kept out by what others have
// reserved.
func (d *Disk) conflicts(n *Nexus, op *operation, cdb *CDB) bool {
	if !d.reserved.Load() {
		return false
	}
	a := op.accessOf(cdb)
	if a == always {
		return false
	}
	return d.keepsOut(n, a) || d.res.simple.Load() != nil && (op.code == opPersistentIn || op.code == opPersistentOut)
}

// keepsOut tells whether n may not have access a.
func (d *Disk) keepsOut(n *Nexus, a access) bool {
	if simple := d.res.simple.Load(); simple != nil {
		return simple != n // and nobody has persistent ones beside it
	}
	return d.res.persistent.Load().conflicts(n.ports, a)
}

// Admit repeats Decode's look at the reservations once those who end commands
// can find this one: in between another initiator may have taken the disk.
func (d *Disk) Admit(c *Command) Sense {
	switch {
	case c.op == nil:
	case !d.absent() && d.gone(c):
		return noUnit
	case d.conflicts(c.nexus, c.op, &c.CDB):
		return conflict
	}
	return Sense{}
}

// unreserve gives up the RESERVE of a nexus that whose picks.
func (d *Disk) unreserve(whose func(*Nexus) bool) {
	d.res.making.Lock()
	defer d.res.making.Unlock()
	if holder := d.res.simple.Load(); holder != nil && whose(holder) {
		d.reserve(d.res.persistent.Load(), nil)
	}
}

// decodeReserve6: neither for third parties nor for extents (obsolete since
// SPC-2).
func decodeReserve6(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[1]&0x1f != 0 {
		return badField(1)
	}
	c.Kind, c.verb = Slow, reserveUnit
	return Sense{}
}

// decodeReserve10: no third parties, whose identifiers do not count then, and
// so no list of them.
func decodeReserve10(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[1]&0x12 != 0 { // 3RDPTY, LONGID
		return badField(1)
	}
	if cdb.u16(7) != 0 {
		return badField(7)
	}
	c.Kind, c.verb = Slow, reserveUnit
	return Sense{}
}

// reserveSimple serves RESERVE and RELEASE, (6) and (10) (SPC-2). Initiators
// that have registered for persistent reservations have left them behind.
func (d *Disk) reserveSimple(c *Command) Sense {
	d.res.making.Lock()
	defer d.res.making.Unlock()
	holder, persistent := d.res.simple.Load(), d.res.persistent.Load()
	reserves := c.CDB[0] == opReserve6 || c.CDB[0] == opReserve10
	if len(persistent.list) > 0 {
		return conflict
	}
	switch {
	case reserves && holder != nil && holder != c.nexus:
		return conflict
	case reserves && d.gone(c): // nobody would give it up
		return noUnit
	case reserves:
		d.reserve(persistent, c.nexus)
	case holder == c.nexus:
		d.reserve(persistent, nil)
	}
	return Sense{}
}
