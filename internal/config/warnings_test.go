package config

import "testing"

// A network behind a relay needs a router; one on the wire, of which we have an
// address, does not.
func TestWarnings(t *testing.T) {
	for subnet, want := range map[string]bool{
		"{prefix: 10.79.0.0/24, range: 10.79.0.100-10.79.0.199}":                                               true,
		"{prefix: 10.79.0.0/24, range: 10.79.0.100-10.79.0.199, router: 10.79.0.1}":                            false,
		"{prefix: 10.79.0.0/24, range: 10.79.0.100-10.79.0.199, routes: [{to: 10.77.0.0/24, via: 10.79.0.1}]}": false,
		"{prefix: 127.0.0.0/24, range: 127.0.0.100-127.0.0.199}":                                               false,
	} {
		c := parse(t, "interfaces:\n  - name: lo\n    dhcp: server\n    subnets:\n      - "+subnet+"\n")
		got := c.Warnings()
		if len(got) > 0 != want {
			t.Errorf("%s: %v", subnet, got)
		}
		if want && got[0].String() != "the machines of 10.79.0.0/24, behind a relay on lo, are told no router, so they know no way to this server; "+
			"write `router: ADDRESS` beside `prefix: 10.79.0.0/24`, the address of their router there" {
			t.Errorf("it says: %s", got[0])
		}
	}
}
