package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
)

func TestLeasesByAPI(t *testing.T) {
	w := newWired(t)
	far := netip.MustParseAddr("203.0.113.5")
	_, err := w.inv.AddImage(t.Context(), inventory.Image{Name: "debian", Tag: "12", Layer: "l", Size: 1 << 20})
	w.ok(err)
	_, err = w.AddMachine(t.Context(), api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	w.ok(err)
	_, err = w.inv.Commit(t.Context(), inventory.LeaseRequest{
		MAC: []byte{0x52, 0x54, 0, 0, 0, 1}, Interface: "eth1", Subnets: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		Pools: []inventory.Pool{{First: far, Last: far}}, Wanted: far, TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.Client.Leases(t.Context())
	if err != nil || len(l) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	if l[0].Expires = (time.Time{}); l[0] != (api.Lease{Address: "203.0.113.5", MAC: "52:54:00:00:00:01", Machine: "pc01", State: api.LeaseBound, Network: "203.0.113.0/24", Interface: "eth1"}) {
		t.Errorf("%+v", l[0])
	}
	for _, tt := range []struct {
		address string
		force   bool
		want    string
		code    int
	}{
		{"pc01", false, `"pc01" is no IPv4 address: ` + "`bootes lease ls` lists those that were given", exitUsage},
		{"203.0.113.6", false, `no lease of "203.0.113.6"`, exitNotFound},
		{"203.0.113.5", false, `lease of "203.0.113.5" is in use by 52:54:00:00:00:01: if that client is off for certain, use --force; else wait for its end, `, exitRefused},
		{"203.0.113.5", true, "", 0},
	} {
		err := w.Client.RemoveLease(t.Context(), tt.address, tt.force)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.HasPrefix(err.Error(), tt.want) || exitCode(err) != tt.code) {
			t.Errorf("%s: %v (%d)", tt.address, err, exitCode(err))
		}
	}
}
