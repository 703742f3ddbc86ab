package main

import (
	"net"
	"net/netip"
	"testing"

	"bootes.dev/internal/config"
	"bootes.dev/internal/diagnose"
)

// TestServes: a computer whose folders are mounted is asked only inside the networks
// that this server serves.
func TestServes(t *testing.T) {
	h := neighbours{&house{cfg: &config.Config{Interfaces: []config.Interface{
		{Name: "lo", Subnets: []config.Subnet{{Prefix: netip.MustParsePrefix("10.78.0.0/24")}, {}}},
	}}}}
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut.Close()
	for at, want := range map[string]diagnose.Answer{
		open.Addr().String(): diagnose.Answers, shut.Addr().String(): diagnose.Refuses,
		"192.0.2.9:2049": diagnose.NotAsked, "[2001:db8::9]:2049": diagnose.NotAsked,
	} {
		if got := h.Serves(t.Context(), netip.MustParseAddrPort(at)); got != want {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	if !h.serves(netip.MustParseAddr("10.78.0.9")) || h.serves(netip.MustParseAddr("10.79.0.9")) {
		t.Error("networks behind relays")
	}
}
