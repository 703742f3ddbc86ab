package scsi

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// Service actions of PERSISTENT RESERVE OUT (SPC-4, 6.16.2).
const (
	actRegister       = 0x00
	actReserve        = 0x01
	actRelease        = 0x02
	actClear          = 0x03
	actPreempt        = 0x04
	actPreemptAbort   = 0x05
	actRegisterIgnore = 0x06
)

const persistentParams = 24

func decodePersistentOut(_ *Disk, cdb *CDB, c *Command) Sense {
	switch cdb[1] & serviceActionMask {
	case actReserve, actRelease, actPreempt, actPreemptAbort:
		if cdb[2]>>4 != 0 { // scope: the logical unit
			return badField(2)
		}
	}
	if cdb.u32(5) != persistentParams {
		return paramListLength
	}
	c.Kind, c.verb, c.Length = Parameters, reservePersistent, persistentParams
	return Sense{}
}

func reservationType(t byte) bool {
	return t == writeExclusive || t == exclusive || t >= writeExclusiveRegistrants && t <= exclusiveAll
}

// reservePersistent serves PERSISTENT RESERVE OUT with its parameter list:
//
//	 0 | reservation key, 8
//	 8 | service action reservation key, 8
//	20 | SPEC_I_PT 08h, ALL_TG_PT 04h, APTPL 01h
//
// What is to outlast a restart is durable before it counts.
func (d *Disk) reservePersistent(c *Command, p []byte) Sense {
	if len(p) != persistentParams {
		return paramListLength
	}
	done, s := d.changePersistent(c, p)
	if !s.OK() {
		return s
	}
	d.everyNexus(func(n *Nexus, lun uint8) {
		for _, e := range done.effects {
			if e.ports.covers(n.ports) {
				n.Notify(lun, e.tell)
			}
		}
	})
	if c.CDB[1]&serviceActionMask == actPreemptAbort {
		c.preempted = done.abort
	}
	return Sense{}
}

func (d *Disk) changePersistent(c *Command, p []byte) (change, Sense) {
	d.res.making.Lock()
	defer d.res.making.Unlock()
	if d.res.simple.Load() != nil {
		return change{}, conflict
	}
	done, s := d.serviceAction(c, p)
	if !s.OK() || done.next == d.res.persistent.Load() {
		return done, s
	}
	if err := d.keepPersistent(done.next); err != nil {
		return change{}, internalFailure
	}
	d.reserve(done.next, nil)
	return done, Sense{}
}

func (d *Disk) serviceAction(c *Command, p []byte) (change, Sense) {
	now, who := d.res.persistent.Load(), c.nexus.ports
	key, actionKey := binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])
	kind, keep := c.CDB[2]&0x0f, p[20]&0x01 != 0
	action := c.CDB[1] & serviceActionMask
	if action == actRegister || action == actRegisterIgnore {
		if p[20]&0x08 != 0 || keep && d.res.keeper == nil {
			return change{}, badParam(20)
		}
		return now.register(who, key, actionKey, action == actRegisterIgnore, keep)
	}
	if s := now.known(who, key); !s.OK() {
		return change{}, s
	}
	switch action {
	case actReserve:
		return now.reserve(who, kind)
	case actRelease:
		return now.release(who, kind)
	case actClear:
		return now.clear(who)
	}
	return now.preempt(who, actionKey, kind)
}

// Preempts tells whether Execute has left EndPreempted to be called.
func (c *Command) Preempts() bool { return len(c.preempted) > 0 }

// EndPreempted ends the commands of those whom c, a PREEMPT AND ABORT, has
// preempted, and calls then once they have ended. It does not wait itself, so
// that none who does this waits for another.
func (d *Disk) EndPreempted(c *Command, then func()) {
	var left atomic.Int32
	left.Store(1) // while they are being looked for
	done := func() {
		if left.Add(-1) == 0 {
			then()
		}
	}
	d.everyNexus(func(n *Nexus, lun uint8) {
		if slices.ContainsFunc(c.preempted, func(p ports) bool { return p.covers(n.ports) }) {
			left.Add(1)
			n.Abort(lun, done)
		}
	})
	done()
}

// ChangesReservations tells whether the command's end waits for others to end:
// whoever ends commands must not wait for it.
func (c *Command) ChangesReservations() bool { return c.CDB[0] == opPersistentOut }
