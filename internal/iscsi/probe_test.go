package iscsi

import (
	"testing"
	"time"
)

func TestEndDeadLeavesTheLiving(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	start := time.Now()
	s.EndDead(t.Context(), i.target)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("a living initiator was waited for %s", took)
	}
	i.read10(0, 1)
	if n := len(s.Sessions()); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}
