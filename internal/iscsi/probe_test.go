package iscsi

import (
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
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

func TestEndDeadEndsTheDead(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	i.read10(0, 1)
	nettest.IP(t, "link set lo down") // from now on nobody answers
	start := time.Now()
	s.EndDead(t.Context(), i.target)
	if n := len(s.Sessions()); n != 0 {
		t.Errorf("%d sessions after %s, want 0", n, time.Since(start))
	}
}
