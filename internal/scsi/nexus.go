package scsi

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Nexus is an I_T nexus: one initiator port joined to a target, for iSCSI one
// session.
type Nexus struct {
	target *Target
	port   string
	quiet  bool
	abort  func(lun uint8)

	copies copies

	any     atomic.Bool // whether pending holds anything
	mu      sync.Mutex
	pending [256]Attentions // by LUN
}

// Initiator is who joins a target.
type Initiator struct {
	// Port is the name of the initiator's port, in iSCSI "IQN,i,0x" and the
	// ISID. Persistent reservations know it by it.
	Port string
	// Quiet: it is never told a unit attention.
	Quiet bool
	// Abort ends its commands on a logical unit, and returns when they have
	// ended; not those that ChangesReservations. It may be nil.
	Abort func(lun uint8)
}

// Join joins an initiator to the target.
func (t *Target) Join(i Initiator) *Nexus {
	n := &Nexus{target: t, port: i.Port, quiet: i.Quiet, abort: i.Abort}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nexuses = append(t.nexuses, n)
	return n
}

// Leave ends the nexus. Its commands have ended.
func (n *Nexus) Leave() {
	t := n.target
	for _, lun := range t.luns {
		t.disks[lun].unreserve(n)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nexuses = slices.DeleteFunc(t.nexuses, func(o *Nexus) bool { return o == n })
}

// Notify makes the next command on lun fail with u, once. It tells whether
// there is such a unit and the nexus may be told.
func (n *Nexus) Notify(lun uint8, u UnitAttention) bool {
	if n.quiet || n.target.disks[lun] == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[lun].Add(u)
	n.any.Store(true)
	return true
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
	for _, lun := range n.target.luns {
		n.pending[lun].Drop(LUNsChanged)
	}
}

// settle sets any. mu is held.
func (n *Nexus) settle() {
	for _, lun := range n.target.luns {
		if !n.pending[lun].None() {
			return
		}
	}
	n.any.Store(false)
}
