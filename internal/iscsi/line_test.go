package iscsi

import (
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// TestLine: what TCP knows of a machine that does not take what it asked for.
func TestLine(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(16 << 20))})
	if _, ok := s.Line("nobody's"); ok {
		t.Error("a target that nobody has open")
	}
	began := time.Now()
	i := dial(t, addr).login()
	target := s.Sessions()[0].Target
	l, ok := s.Line(target)
	if !ok || l.RTT <= 0 || l.Sent == 0 || l.Began.Before(began) || l.Quiet > time.Minute {
		t.Errorf("%v, %+v", ok, l)
	}
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 16 << 20}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0x80, 0)
	eventually(t, "it has no room for more", func() bool {
		l, _ := s.Line(target)
		return l.Full > 50*time.Millisecond && l.Busy >= l.Full && l.Quiet > 0
	})
	units := s.UnitsOf(target)
	if len(units) != len(s.Latencies()) || len(s.UnitsOf("nobody's")) != 0 {
		t.Errorf("%d logical units", len(units))
	}
}
