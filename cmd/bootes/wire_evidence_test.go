package main

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
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
		"another's": {dhcp.Query{Type: dhcp.Request, Port: 67, Server: us, ServerID: rival, Requested: addr}, dhcp.Reply{Reason: "not for us", Decision: file},
			boot.Exchange{Addr: addr, From: rival, Refused: "not for us"}},
		"of a proxy": {dhcp.Query{Type: dhcp.Request, Port: 4011, Server: us}, dhcp.Reply{Type: dhcp.ACK, Boot: true, Decision: file},
			boot.Exchange{ACK: true, Proxied: true, File: "snponly.efi"}},
		"full": {dhcp.Query{Type: dhcp.Discover, Port: 67, Server: us}, dhcp.Reply{Reason: "full", Err: fmt.Errorf("offer: %w", dhcp.ErrPoolFull)},
			boot.Exchange{Refused: "full", Full: true}},
	} {
		if got := exchange(tt.q, tt.r); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestMoved(t *testing.T) {
	s := &sessions{known: map[string]*ownerBoot{"pc1-1": {Boot: inventory.Boot{ID: "pc1-1"}}}}
	session := func(reads, bytes uint64, isid [6]byte) iscsi.SessionInfo {
		return iscsi.SessionInfo{Owner: "pc1-1", Login: iscsi.Login{ISID: isid}, Usage: iscsi.Usage{Reads: reads, ReadBytes: bytes}}
	}
	ipxe, linux := [6]byte{0x40, 0, 0x27, 0x23}, [6]byte{0, 2, 0x3d}
	for _, tt := range []struct {
		open []iscsi.SessionInfo
		want boot.Moved
	}{
		{nil, boot.Moved{}},
		{[]iscsi.SessionInfo{session(3, 1536, ipxe)}, boot.Moved{Reads: 3, Read: 1536, Firmware: true}},
		{nil, boot.Moved{Reads: 3, Read: 1536}},
		{[]iscsi.SessionInfo{session(1, 512, linux)}, boot.Moved{Reads: 4, Read: 2048, System: true}}, // opened anew
	} {
		if got := s.boots("pc1-1", tt.open); got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
	if got := s.boots("pc2-1", nil); got != (boot.Moved{}) {
		t.Errorf("a boot that has no sessions: %+v", got)
	}
}

func TestDiskErrorsAreSeen(t *testing.T) {
	var seen []error
	o := observed{failed: func(err error) { seen = append(seen, err) }}
	for _, err := range []error{nil, block.ErrOutOfRange, fmt.Errorf("x: %w", block.ErrNoSpace), block.ErrCorrupt} {
		o.see(err)
	}
	if len(seen) != 2 || !errors.Is(seen[0], block.ErrNoSpace) || !errors.Is(seen[1], block.ErrCorrupt) {
		t.Errorf("%v", seen)
	}
}
