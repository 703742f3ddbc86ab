package main

import (
	"net/netip"
	"testing"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif"
)

func TestCheckNetwork(t *testing.T) {
	n := netif.Interface{Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}}
	for _, tt := range []struct{ yaml, want string }{
		{"range: 10.77.0.10-10.77.0.20", ""},
		{"{range: 10.77.0.10-10.77.0.20, prefix: 10.77.0.0/16}", ""},
		{"range: 10.77.0.10-10.77.1.20", `range 10.77.0.10-10.77.1.20 is not all in 10.77.0.0/24, the network of interface "eth1": write a range inside it, or prefix: if the network is larger`},
		{"range: 10.78.0.10-10.78.0.20", `interface "eth1" has no address in the network of 10.78.0.10-10.78.0.20: give it one, or move the range under subnets: with its prefix: if a relay is in front of it`},
		{"{range: 10.78.0.10-10.78.0.20, prefix: 10.78.0.0/24}", `interface "eth1" has no address in 10.78.0.0/24: give it one, or move the range under subnets: with its prefix: if a relay is in front of it`},
		{"subnets: [{range: 10.78.0.10-10.78.0.20, prefix: 10.78.0.0/24}]", ""},
	} {
		body := tt.yaml
		if body[0] == '{' {
			body = body[1 : len(body)-1]
		}
		c, err := config.Parse("f", []byte("interfaces: [{name: eth1, dhcp: server, "+body+"}]"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := checkNetwork(c.Interfaces[0], n); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.yaml, got, tt.want)
		}
	}
}
