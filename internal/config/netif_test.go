package config

import (
	"net"
	"testing"
)

func TestInterfaceComplaints(t *testing.T) {
	lo := net.Interface{Name: "lo", Flags: net.FlagLoopback}
	present := []net.Interface{lo, {Name: "eth0"}, {Name: "wlan0"}}
	c := &Config{File: "f"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{c.NeedInterfaces(present), "f names no interface to serve; this computer has eth0, wlan0: write\ninterfaces:\n  - name: eth0"},
		{c.NeedInterfaces([]net.Interface{lo}), "f names no interface to serve, and this computer has none but loopback"},
		{c.MissingInterface(Interface{Name: "eth7", Line: 3, Column: 5}, present), `f:3:5: interfaces: there is no interface "eth7"; this computer has eth0, wlan0`},
		{c.MissingInterface(Interface{Name: "eth7", Line: 3, Column: 5}, nil), `f:3:5: interfaces: there is no interface "eth7"; this computer has none but loopback`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
	c.Interfaces = []Interface{{Name: "eth0"}}
	if err := c.NeedInterfaces(present); err != nil {
		t.Error(err)
	}
}
