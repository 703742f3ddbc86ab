package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/loaders"
)

func TestEveryFirmwareIsKnownToBoot(t *testing.T) {
	seen := map[loaders.Firmware]dhcp.Firmware{}
	for f := dhcp.FirmwareNone; f.String() != "unknown"; f++ {
		fw, ok := firmwares[f]
		if twin, twice := seen[fw]; !ok || twice {
			t.Errorf("%s is %q to package boot, as is %s", f, fw, twin)
		}
		seen[fw] = f
	}
}

func TestAnOfferOfAnIntruderIsNamed(t *testing.T) {
	const want = ", which was not here before: two DHCP servers on one network give out clashing addresses, switch one off"
	if got := rogueText(dhcp.Reply{Rogue: true}); got != want {
		t.Errorf("%q", got)
	}
	if got := rogueText(dhcp.Reply{}); got != "" {
		t.Errorf("%q", got)
	}
}

func TestWhatTheTimelineSaysOfAnAnswer(t *testing.T) {
	a := netip.MustParseAddr
	d := dhcp.Decision{Machine: "pc01", Filename: "snponly.efi", Address: a("10.99.0.1")}
	for want, r := range map[string]dhcp.Reply{
		"OFFER 10.77.0.100, boot file snponly.efi from 10.77.0.1": {Type: dhcp.Offer, Addr: a("10.77.0.100"), Boot: true},
		"ACK 10.77.0.100 instead of 10.99.0.1, which is kept for pc01 and is away, boot file snponly.efi from 10.77.0.1": {
			Type: dhcp.ACK, Addr: a("10.77.0.100"), Boot: true, Instead: "is away"},
		"NAK: it is": {Type: dhcp.NAK, Reason: "it is"},
		"ACK":        {Type: dhcp.ACK},
	} {
		r.Decision = d
		if got := sentText(dhcp.Query{Server: a("10.77.0.1")}, r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Those that are told nothing see why, strangers among them; a proxy says nothing
// of what systems ask.
func TestTheTimelineSaysWhyThereIsNoAnswer(t *testing.T) {
	h := newWired(t)
	p := dhcpPolicy{h.boot, h.locator, h.counters}
	stranger := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	q := dhcp.Query{MAC: stranger, Interface: "br0", Server: netip.MustParseAddr("10.77.0.1"), Type: dhcp.Discover, Firmware: dhcp.BIOS, NetBoot: true}
	p.Decide(t.Context(), q)
	p.Sent(q, dhcp.Reply{Reason: "the pool is empty"})
	q.NetBoot, q.Mode = false, dhcp.ModeProxy
	p.Sent(q, dhcp.Reply{Reason: "it is no proxy's"})
	var said []string
	for _, e := range h.rec.Boots(stranger.String())[0].Events {
		said = append(said, e.Text)
	}
	if got := strings.Join(said, "|"); !strings.Contains(got, "|no answer to DISCOVER: the pool is empty") || strings.Contains(got, "it is no proxy's") {
		t.Errorf("the timeline: %s", got)
	}
}
