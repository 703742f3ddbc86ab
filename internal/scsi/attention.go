package scsi

import "math/bits"

// UnitAttention is news about a logical unit, told to each I_T nexus once: the
// next command that may fail for it fails with this sense (SPC-4, 5.14).
type UnitAttention uint8

// Unit attentions, in the order in which they are told when several are
// pending: resets come before everything else (SAM-5, 5.3.3), and the rest is
// in the order of how much it may surprise.
const (
	BusReset               UnitAttention = iota // 29h/02h: a target was reset
	UnitReset                                   // 29h/03h: a logical unit was reset
	NexusLost                                   // 29h/07h
	ReservationsPreempted                       // 2Ah/03h
	RegistrationsPreempted                      // 2Ah/05h
	ReservationsReleased                        // 2Ah/04h
	CommandsCleared                             // 2Fh/00h: by another initiator
	CapacityChanged                             // 2Ah/09h
	ModeChanged                                 // 2Ah/01h: mode parameters
	LUNsChanged                                 // 3Fh/0Eh: reported LUNs data
	SoftThreshold                               // 38h/07h: thin provisioning soft threshold reached
	attentionKinds
)

var attentionCodes = [attentionKinds]struct {
	code uint16
	name string
}{
	BusReset:               {0x2902, "target reset"},
	UnitReset:              {0x2903, "logical unit reset"},
	NexusLost:              {0x2907, "I_T nexus loss occurred"},
	ReservationsPreempted:  {0x2a03, "reservations preempted"},
	RegistrationsPreempted: {0x2a05, "registrations preempted"},
	ReservationsReleased:   {0x2a04, "reservations released"},
	CommandsCleared:        {0x2f00, "commands cleared by another initiator"},
	CapacityChanged:        {0x2a09, "capacity data has changed"},
	ModeChanged:            {0x2a01, "mode parameters changed"},
	LUNsChanged:            {0x3f0e, "reported LUNs data has changed"},
	SoftThreshold:          {0x3807, "thin provisioning soft threshold reached"},
}

func (u UnitAttention) String() string { return attentionCodes[u].name }

// Sense is what u is told by.
func (u UnitAttention) Sense() Sense {
	return Sense{Key: keyUnitAttention, Code: attentionCodes[u].code}
}

// Attentions is the set of unit attentions that are pending for one nexus and
// logical unit. The same news twice before it is told is told once, so that the
// set is bounded.
type Attentions uint16

// None tells whether nothing is pending.
func (a Attentions) None() bool { return a == 0 }

// Add makes u pending.
func (a *Attentions) Add(u UnitAttention) { *a |= 1 << u }

// Drop forgets u, if it is pending.
func (a *Attentions) Drop(u UnitAttention) { *a &^= 1 << u }

// Take removes and returns what is to be told first. A reset makes an older
// one of less weight old news.
func (a *Attentions) Take() (u UnitAttention, ok bool) {
	if *a == 0 {
		return 0, false
	}
	u = UnitAttention(bits.TrailingZeros16(uint16(*a)))
	if u <= NexusLost {
		*a &^= 1<<(NexusLost+1) - 1
	}
	a.Drop(u)
	return u, true
}

// attention returns the unit attention that c must fail with, if any. INQUIRY,
// REPORT LUNS and REQUEST SENSE are served all the same (SPC-4, 5.14).
func (d *Disk) attention(n *Nexus, c *Command) Sense {
	if d.absent() || asks(c.CDB[0]) {
		return Sense{}
	}
	return n.take(c.lun)
}
