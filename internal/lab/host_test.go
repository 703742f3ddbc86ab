package lab

import (
	"net/netip"
	"strings"
	"testing"
)

func TestHost(t *testing.T) {
	n := New(t, NetOptions{})
	h, err := n.NewHost("52:54:00:00:00:77", netip.MustParseAddr("10.77.0.7"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Run(t.Context(), "ip", "-o", "addr", "show", nic)
	if err != nil || !strings.Contains(string(out), "10.77.0.7/24") {
		t.Errorf("addresses: %s, %v", out, err)
	}
	if _, err := h.Run(t.Context(), "ip", "neigh", "get", "10.77.0.1", "dev", nic); err == nil {
		t.Error("the server is known before anybody asked for it")
	}
	if _, err := n.NewHost("not a MAC", netip.MustParseAddr("10.77.0.8")); err == nil {
		t.Error("a host without a MAC was made")
	}
}
