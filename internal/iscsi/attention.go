package iscsi

import "bootes.dev/internal/scsi"

// Notify makes the next command on the logical unit lun fail with the unit
// attention u, once in each session of owner (Grant.Owner), and returns how many
// sessions that are. News that is still untold is not told twice. Sessions
// that log in later have not missed anything: they ask for themselves.
//
// iPXE's sessions are never told. It fails for good what it did not expect to
// fail, and the machine would not boot.
//
// Notify does not wait and may be called from anywhere but Events.
func (s *Server) Notify(owner string, lun uint8, u scsi.UnitAttention) int {
	told := 0
	for _, sess := range s.sessionsOf(owner) {
		if sess.attend(lun, u) {
			told++
		}
	}
	return told
}

func (s *Server) sessionsOf(owner string) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*session
	for _, t := range s.targets {
		for sess := range t.sessions {
			if sess.info.Owner == owner {
				list = append(list, sess)
			}
		}
	}
	return list
}

// attend makes u pending on lun, if the session has that unit and may be told.
func (s *session) attend(lun uint8, u scsi.UnitAttention) bool {
	if s.info.FromIPXE() || s.hold.disks[lun] == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[lun].None() {
		s.attentions.Add(1)
	}
	s.pending[lun].Add(u)
	return true
}

// attention fails t if its logical unit has something to tell first, whatever
// else is wrong with it.
func (s *session) attention(t *task) {
	s.nexus.Pending = scsi.Sense{}
	if s.attentions.Load() == 0 {
		return
	}
	if t.cmd.ListsLUNs() {
		s.dropLUNsChanged()
	}
	reports := t.cmd.ReportsAttention()
	if t.lun < 0 || t.cmd.IgnoresAttention() && !reports {
		return
	}
	if reports && t.status != scsi.Good { // nothing is reported by it
		return
	}
	u, ok := s.takeAttention(t.lun)
	switch {
	case !ok:
	case reports:
		s.nexus.Pending = u.Sense()
	default:
		t.status, t.sense = scsi.CheckCondition, u.Sense()
	}
}

func (s *session) takeAttention(lun int) (scsi.UnitAttention, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.pending[lun].Take()
	if ok && s.pending[lun].None() {
		s.attentions.Add(-1)
	}
	if u == scsi.LUNsChanged { // one LUN telling it is enough
		s.forgetLUNsChanged()
	}
	return u, ok
}

func (s *session) dropLUNsChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLUNsChanged()
}

// forgetLUNsChanged takes that news from all units. mu is held.
func (s *session) forgetLUNsChanged() {
	for _, lun := range s.hold.luns {
		p := &s.pending[lun]
		if p.None() {
			continue
		}
		if p.Drop(scsi.LUNsChanged); p.None() {
			s.attentions.Add(-1)
		}
	}
}
