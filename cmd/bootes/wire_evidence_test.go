package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
)

func TestExchange(t *testing.T) {
	us, rival, addr := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.7")
	file := dhcp.Decision{Filename: "snponly.efi"}
	for name, tt := range map[string]struct {
		q    dhcp.Query
		r    dhcp.Reply
		want boot.Exchange
	}{
		"offer": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Type: dhcp.Offer, Addr: addr, Boot: true, Decision: file},
			boot.Exchange{Offer: true, Addr: addr, File: "snponly.efi"}},
		"no loader": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Type: dhcp.Offer, Addr: addr, Reason: "no loader", Decision: dhcp.Decision{Reason: "no loader"}},
			boot.Exchange{Offer: true, Addr: addr, Refused: "no loader", NoBoot: "no loader"}},
		"ours": {dhcp.Query{Type: dhcp.Request, Port: 67, Server: us, ServerID: us, Requested: addr}, dhcp.Reply{Type: dhcp.ACK, Addr: addr, Boot: true, Decision: file},
			boot.Exchange{ACK: true, Addr: addr, File: "snponly.efi"}},
		"not yet": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Looking: true, Reason: "this server looks first", Decision: file}, boot.Exchange{}},
		"no router": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Type: dhcp.Offer, Addr: addr, Boot: true, Decision: file, Routerless: netip.MustParsePrefix("10.0.0.0/24")},
			boot.Exchange{Offer: true, Addr: addr, File: "snponly.efi", Routerless: netip.MustParsePrefix("10.0.0.0/24")}},
		"another's": {dhcp.Query{Type: dhcp.Request, Port: 67, Server: us, ServerID: rival, Requested: addr}, dhcp.Reply{Reason: "not for us", Decision: file},
			boot.Exchange{Addr: addr, From: rival, Refused: "not for us"}},
		"of a proxy": {dhcp.Query{Type: dhcp.Request, Port: 4011, Server: us}, dhcp.Reply{Type: dhcp.ACK, Boot: true, Decision: file},
			boot.Exchange{ACK: true, Proxied: true, File: "snponly.efi"}},
		"full": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Reason: "full", Err: fmt.Errorf("offer: %w", dhcp.ErrPoolFull), Full: dhcp.FullPool{Range: "10.0.0.1", Addresses: 1, Pools: []dhcp.Pool{{First: addr, Last: addr}}}},
			boot.Exchange{Refused: "full", Full: true, Pool: boot.Pool{Range: "10.0.0.1", Addresses: 1, Pools: []inventory.Pool{{First: addr, Last: addr}}}}},
	} {
		if got := exchange(tt.q, tt.r); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
