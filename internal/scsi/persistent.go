package scsi

import "slices"

// Types of persistent reservations (SPC-4, 5.13.7 and 6.15.3).
const (
	noReservation  = 0
	writeExclusive = 1
	exclusive      = 3

	// The others' registration opens the disk to them.
	writeExclusiveRegistrants = 5
	exclusiveRegistrants      = 6

	// And makes them holders.
	writeExclusiveAll = 7
	exclusiveAll      = 8
)

// maxRegistrations bounds what initiators can make the target remember.
const maxRegistrations = 128

type registration struct {
	ports
	key uint64
}

// persistent is the persistent reservation of one disk and the registrations
// for it. It is never changed: each change makes a new one.
type persistent struct {
	generation uint32
	list       []registration // in the order in which they came
	kind       byte           // noReservation, or a type
	holder     ports          // for the All types everyone in list holds it
	keep       bool           // APTPL: it outlasts a restart
}

// effect is what a nexus is told of another's command.
type effect struct {
	ports
	tell UnitAttention
}

// change is the outcome of a PERSISTENT RESERVE OUT.
type change struct {
	next    *persistent
	effects []effect
	abort   []ports // whose commands are to be ended
}

func (p *persistent) find(who ports) int {
	return slices.IndexFunc(p.list, func(r registration) bool { return r.covers(who) })
}

func (p *persistent) registered(who ports) bool { return p.find(who) >= 0 }

// all tells whether everyone who is registered holds the reservation.
func (p *persistent) all() bool { return p.kind == writeExclusiveAll || p.kind == exclusiveAll }

// shared tells whether whoever is registered has access.
func (p *persistent) shared() bool { return p.kind >= writeExclusiveRegistrants }

func (p *persistent) holds(who ports) bool {
	return p.kind != noReservation && (p.holder.covers(who) || p.all() && p.registered(who))
}

// conflicts tells whether a command of port is kept out (SPC-4, table 48;
// SBC-3, table 12).
func (p *persistent) conflicts(who ports, a access) bool {
	switch {
	case p.kind == noReservation || a <= free || p.holds(who) || p.shared() && p.registered(who):
		return false
	case p.kind == exclusive || p.kind == exclusiveRegistrants || p.kind == exclusiveAll:
		return true
	}
	return a == writes
}

func (p *persistent) clone() *persistent {
	n := *p
	n.list = slices.Clone(p.list)
	return &n
}

// tell adds an effect for everyone who is registered in p, but one.
func (c *change) tell(p *persistent, but ports, u UnitAttention) {
	for _, r := range p.list {
		if !r.covers(but) {
			c.effects = append(c.effects, effect{r.ports, u})
		}
	}
}

// register is REGISTER, and with ignore REGISTER AND IGNORE EXISTING KEY
// (SPC-4, 5.13.7).
func (p *persistent) register(who ports, key, newKey uint64, ignore, keep bool) (change, Sense) {
	at := p.find(who)
	switch {
	case ignore:
	case at < 0 && key != 0, at >= 0 && p.list[at].key != key:
		return change{}, conflict
	}
	if at < 0 && newKey == 0 { // there is nothing to undo
		return change{next: p}, Sense{}
	}
	c := change{next: p.clone()}
	c.next.generation++
	c.next.keep = keep
	switch {
	case newKey == 0:
		c.unregister(at)
	case at >= 0:
		c.next.list[at].key = newKey
	case len(p.list) >= maxRegistrations:
		return change{}, noRegistration
	default:
		c.next.list = append(c.next.list, registration{who, newKey})
	}
	return c, Sense{}
}

// unregister takes out an entry, and the reservation with its last holder.
func (c *change) unregister(at int) {
	n := c.next
	gone := n.list[at].ports
	n.list = slices.Delete(n.list, at, at+1)
	if n.kind == noReservation || !gone.covers(n.holder) && !(n.all() && len(n.list) == 0) {
		return
	}
	if n.shared() {
		c.tell(n, ports{}, ReservationsReleased)
	}
	n.kind, n.holder = noReservation, ports{}
}

// known returns the entry of port, if key is the one it registered.
func (p *persistent) known(who ports, key uint64) Sense {
	if at := p.find(who); at < 0 || p.list[at].key != key {
		return conflict
	}
	return Sense{}
}

func (p *persistent) reserve(who ports, kind byte) (change, Sense) {
	switch {
	case !reservationType(kind):
		return change{}, badField(2)
	case p.kind == noReservation:
		c := change{next: p.clone()}
		c.next.take(who, kind)
		return c, Sense{}
	case p.holds(who) && p.kind == kind:
		return change{next: p}, Sense{}
	}
	return change{}, conflict
}

func (p *persistent) take(who ports, kind byte) {
	p.kind, p.holder = kind, who
	if p.all() {
		p.holder = ports{}
	}
}

func (p *persistent) release(who ports, kind byte) (change, Sense) {
	switch {
	case !p.holds(who):
		return change{next: p}, Sense{}
	case p.kind != kind:
		return change{}, badRelease
	}
	c := change{next: p.clone()}
	if p.shared() {
		c.tell(p, who, ReservationsReleased)
	}
	c.next.kind, c.next.holder = noReservation, ports{}
	return c, Sense{}
}

func (p *persistent) clear(who ports) (change, Sense) {
	c := change{next: &persistent{generation: p.generation + 1, keep: p.keep}}
	c.tell(p, who, ReservationsPreempted)
	return c, Sense{}
}

// preempt is PREEMPT and PREEMPT AND ABORT: it takes out the registrations
// that have the key victim, and the reservation if they hold it (SPC-4,
// 5.13.11.4).
func (p *persistent) preempt(who ports, victim uint64, kind byte) (change, Sense) {
	if victim == 0 && !p.all() {
		return change{}, badParam(8)
	}
	holds := p.all() && victim == 0 || p.kind != noReservation && !p.all() && p.keyOf(p.holder) == victim
	if holds && !reservationType(kind) { // else it does not matter
		return change{}, badField(2)
	}
	c := change{next: p.clone()}
	c.next.generation++
	c.next.list = c.next.list[:0]
	for _, r := range p.list {
		gone := r.key == victim || holds && p.all()
		if holds && r.covers(who) {
			gone = false // it takes over
		}
		if !gone {
			c.next.list = append(c.next.list, r)
			continue
		}
		if !r.covers(who) {
			c.effects = append(c.effects, effect{r.ports, RegistrationsPreempted})
			c.abort = append(c.abort, r.ports)
		}
	}
	switch {
	case holds:
		if p.kind != kind && p.shared() {
			c.tell(c.next, who, ReservationsReleased)
		}
		c.next.take(who, kind)
	case len(c.next.list) == len(p.list):
		return change{}, conflict // nobody has that key
	case p.all() && len(c.next.list) == 0:
		c.next.kind = noReservation
	}
	return c, Sense{}
}

func (p *persistent) keyOf(who ports) uint64 {
	if at := p.find(who); at >= 0 {
		return p.list[at].key
	}
	return 0
}
