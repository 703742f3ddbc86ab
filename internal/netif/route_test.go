package netif

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"bootes.dev/internal/netif/nettest"
)

// Routes to a wire, behind routers and to nowhere, and who answers there.
func TestRoutes(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.IP(t, "link add br1 type bridge")
	nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	nettest.Join(t, "br0", "02:00:00:00:00:08", "10.77.0.8/24").Router(t, "br1", "02:00:00:00:01:08", "10.78.0.1/24")
	if _, err := RouteTo(netip.MustParseAddr("10.79.0.1")); err == nil || !strings.Contains(err.Error(), "find a route to 10.79.0.1: ") {
		t.Errorf("to nowhere: %v", err)
	}
	nettest.IP(t, "route add 10.78.0.0/24 via 10.77.0.8")
	nettest.IP(t, "route add 10.80.0.0/24 nexthop via 10.77.0.8 nexthop via 10.77.0.9")
	nettest.IP(t, "route add default via 10.77.0.9")
	eight, nine := netip.MustParseAddr("10.77.0.8"), netip.MustParseAddr("10.77.0.9")
	for to, want := range map[string]Route{
		"10.77.0.200": {Interface: "br0"},
		"10.78.0.1":   {Interface: "br0", Gateway: eight},
		"10.79.0.1":   {Interface: "br0", Gateway: nine, Default: true},
		"10.80.0.1":   {Interface: "br0", Gateway: eight},
	} {
		if got, err := RouteTo(netip.MustParseAddr(to)); err != nil || got != want {
			t.Errorf("to %s: %+v, %v; want %+v", to, got, err, want)
		}
	}
	for to, want := range map[string]bool{"10.77.0.9": true, "10.78.0.1": true, "10.77.0.200": false, "10.79.0.1": false} {
		if got, err := Ping(t.Context(), netip.MustParseAddr(to)); err != nil || got != want {
			t.Errorf("ping %s: %v, %v", to, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Ping(ctx, netip.MustParseAddr("10.79.0.1")); err == nil || !strings.HasPrefix(err.Error(), "ping 10.79.0.1: ") {
		t.Errorf("given up: %v", err)
	}
}
