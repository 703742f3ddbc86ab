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
		if sess.nexus.Notify(lun, u) {
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
