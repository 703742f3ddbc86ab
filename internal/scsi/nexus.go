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

	any     atomic.Bool // whether pending holds anything
	mu      sync.Mutex
	pending [256]Attentions // by LUN
}

// Join joins the initiator port of that name, in iSCSI "IQN,i,0x" and the ISID,
// to the target. A quiet one is never told a unit attention.
func (t *Target) Join(port string, quiet bool) *Nexus {
	n := &Nexus{target: t, port: port, quiet: quiet}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nexuses = append(t.nexuses, n)
	return n
}

// Leave ends the nexus. Its commands have ended.
func (n *Nexus) Leave() {
	t := n.target
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
