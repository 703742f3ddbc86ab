package scsi

import (
	"slices"
	"sync"
	"sync/atomic"
)

// ports names an I_T nexus: the port of the initiator, and that of the target.
type ports struct{ initiator, target string }

// covers tells whether p is q. A nexus of which the target's port is unknown,
// as versions before 2 of what a Keeper keeps left it, is with any.
func (p ports) covers(q ports) bool {
	return p.initiator == q.initiator && (p.target == q.target || p.target == "")
}

// Nexus is an I_T nexus: one initiator port joined to a target, for iSCSI one
// session.
type Nexus struct {
	target *Target
	ports  ports
	quiet  bool
	abort  func(lun uint8, then func()) bool

	copies copies

	any     atomic.Bool // whether pending holds anything
	mu      sync.Mutex
	pending [256]Attentions // by LUN
}

// Initiator is who joins a target.
type Initiator struct {
	// Port is the name of the initiator's port, in iSCSI "IQN,i,0x" and the
	// ISID. Persistent reservations know it by it and the target's port.
	Port string
	// Quiet: it is never told a unit attention.
	Quiet bool
	// Abort ends its commands on a logical unit, but not those that
	// ChangesReservations, and tells whether there were any. It calls then once
	// they have ended. It may be nil.
	Abort func(lun uint8, then func()) bool
}

// Join joins an initiator to the target.
func (t *Target) Join(i Initiator) *Nexus {
	n := &Nexus{target: t, ports: ports{i.Port, t.port}, quiet: i.Quiet, abort: i.Abort}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nexuses = append(t.nexuses, n)
	return n
}

// Leave ends the nexus. Its commands have ended.
func (n *Nexus) Leave() {
	t := n.target
	for _, d := range t.units() {
		d.unreserve(func(holder *Nexus) bool { return holder == n })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nexuses = slices.DeleteFunc(t.nexuses, func(o *Nexus) bool { return o == n })
}

// Notify makes the next command on lun fail with u, once. It tells whether
// there is such a unit and the nexus may be told.
func (n *Nexus) Notify(lun uint8, u UnitAttention) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	// Looked at under mu: what is told of a unit that goes is forgotten with it.
	if n.quiet || n.target.disks[lun].Load() == nil {
		return false
	}
	n.pending[lun].Add(u)
	n.any.Store(true)
	return true
}

// forget drops what lun, which has gone, had to tell.
func (n *Nexus) forget(lun uint8) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[lun] = 0
	n.settle()
}

// Abort is the initiator's (Initiator.Abort).
func (n *Nexus) Abort(lun uint8, then func()) bool {
	if n.abort == nil {
		then()
		return false
	}
	return n.abort(lun, then)
}

// wasReset tells whether lun has a reset to tell, which comes before
// everything else (SAM-5, 5.3.3).
func (n *Nexus) wasReset(lun uint8) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pending[lun]&(1<<(NexusLost+1)-1) != 0
}

// take removes and returns what lun has to tell first.
func (n *Nexus) take(lun uint8) Sense {
	if !n.any.Load() {
		return Sense{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	u, ok := n.pending[lun].Take()
	if !ok {
		return Sense{}
	}
	if u == LUNsChanged { // one unit telling it is enough
		n.forgetLUNs()
	}
	n.settle()
	return u.Sense()
}

// sawLUNs makes LUNsChanged old news (SPC-4, 6.33).
func (n *Nexus) sawLUNs() {
	if !n.any.Load() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forgetLUNs()
	n.settle()
}

func (n *Nexus) forgetLUNs() {
	for lun := range n.pending {
		n.pending[lun].Drop(LUNsChanged)
	}
}

// settle sets any. mu is held.
func (n *Nexus) settle() {
	for lun := range n.pending {
		if !n.pending[lun].None() {
			return
		}
	}
	n.any.Store(false)
}
