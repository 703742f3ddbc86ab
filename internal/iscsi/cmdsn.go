package iscsi

// order checks and counts CmdSN. A request outside the window is dropped
// without an answer (RFC 7143, 4.2.2.1); a gap within it cannot be filled on
// the only connection there is.
func (s *session) order(immediate bool, cmdSN uint32) (ok bool, err error) {
	if immediate {
		return true, nil
	}
	exp := s.out.expCmdSN.Load()
	if int32(cmdSN-exp) < 0 || int32(s.out.maxCmdSN.Load()-cmdSN) < 0 {
		return false, nil
	}
	if cmdSN != exp {
		return false, protocolError("CmdSN %d where %d was expected", cmdSN, exp)
	}
	s.out.expCmdSN.Store(s.pastMissing(exp + 1))
	return true, nil
}

// forgo takes the request numbered ref, that is to be aborted and has not come,
// for received (RFC 7143, 11.6.1 b). False: it is not one that a request of
// number cmdSN could have overtaken.
func (s *session) forgo(ref, cmdSN uint32) bool {
	exp := s.out.expCmdSN.Load()
	if int32(ref-exp) < 0 || int32(s.out.maxCmdSN.Load()-ref) < 0 || int32(cmdSN-ref) <= 0 {
		return false
	}
	if s.missing == nil {
		s.missing = make(map[uint32]bool)
	}
	s.missing[ref] = true
	s.out.expCmdSN.Store(s.pastMissing(exp))
	return true
}

// pastMissing is the first from exp on that is not forgone. What it passes over
// gives back its place in the command window.
func (s *session) pastMissing(exp uint32) uint32 {
	for s.missing[exp] {
		delete(s.missing, exp)
		exp++
		s.out.mu.Lock()
		s.out.credit()
		s.out.mu.Unlock()
	}
	return exp
}
