package dhcp

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestUDP(t *testing.T) {
	got := appendUDP(nil, netip.IPv4Unspecified(), broadcast, 68, 67, []byte("abc"))
	want := unhex(t, `
		45 00 00 1f  00 00 00 00  40 11 7a cf  00 00 00 00  ff ff ff ff
		00 44 00 43  00 0b 3a ef
		61 62 63`)
	if !bytes.Equal(got, want) {
		t.Fatalf("got  % x\nwant % x", got, want)
	}
	from, payload, ok := parseUDP(got, 67)
	if !ok || from != netip.IPv4Unspecified() || string(payload) != "abc" {
		t.Errorf("parseUDP: %v, %q, %v", from, payload, ok)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"other port":      func(b []byte) []byte { b[23] = 69; return b },
		"TCP":             func(b []byte) []byte { b[9] = 6; return b },
		"IPv6":            func(b []byte) []byte { b[0] = 0x65; return b },
		"fragment":        func(b []byte) []byte { b[6] = 0x20; return b },
		"later fragment":  func(b []byte) []byte { b[7] = 1; return b },
		"short header":    func(b []byte) []byte { b[0] = 0x44; return b },
		"header too long": func(b []byte) []byte { b[0] = 0x4f; return b },
		"cut":             func(b []byte) []byte { return b[:25] },
		"UDP too long":    func(b []byte) []byte { b[25] = 99; return b },
		"UDP too short":   func(b []byte) []byte { b[25] = 7; return b },
	} {
		if _, _, ok := parseUDP(damage(bytes.Clone(got)), 67); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseUDP(f *testing.F) {
	f.Add(appendUDP(nil, ourAddress, broadcast, 67, 68, []byte("abc")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, payload, ok := parseUDP(b, 68); ok && len(payload) > len(b)-28 {
			t.Fatalf("payload of %d bytes out of %d", len(payload), len(b))
		}
	})
}

func TestRivalOffers(t *testing.T) {
	p := &prober{ifc: netif.Interface{Name: "eth0"}, probes: []*dhcpv4.DHCPv4{madeUp(mac(knownMAC), false), madeUp(mac(knownMAC), true)}}
	offer := func(change func(*dhcpv4.DHCPv4)) []byte {
		m := &dhcpv4.DHCPv4{
			OpCode: dhcpv4.OpcodeBootReply, HWType: 1, TransactionID: p.probes[1].TransactionID, ClientHWAddr: p.probes[1].ClientHWAddr,
			YourIPAddr: ip("10.0.0.57").AsSlice(),
			Options:    dhcpv4.Options{optMessageType: {byte(Offer)}, optServerID: ip("10.0.0.2").AsSlice()},
		}
		change(m)
		return appendUDP(nil, ip("10.0.0.3"), broadcast, 67, 68, m.ToBytes())
	}
	full := Rival{Interface: "eth0", Source: ip("10.0.0.3"), ServerID: ip("10.0.0.2"), Offered: ip("10.0.0.57")}
	proxy := full
	proxy.Offered = netip.Addr{}
	for _, tt := range []struct {
		name   string
		change func(*dhcpv4.DHCPv4)
		want   Rival
		probe  bool
		ok     bool
	}{
		{"offer", func(*dhcpv4.DHCPv4) {}, full, true, true},
		{"proxy's offer", func(m *dhcpv4.DHCPv4) { m.YourIPAddr = nil }, proxy, true, true},
		{"for another client", func(m *dhcpv4.DHCPv4) { m.TransactionID[0]++ }, full, false, true},
		{"for another MAC", func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = mac("02:00:00:00:00:77") }, full, false, true},
		{"our own request", func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootRequest }, Rival{}, false, false},
		{"NAK", func(m *dhcpv4.DHCPv4) { m.Options[optMessageType] = []byte{byte(NAK)} }, full, true, false},
		{"ACK of a boot server", func(m *dhcpv4.DHCPv4) { m.Options[optMessageType] = []byte{byte(ACK)}; m.YourIPAddr = nil }, proxy, true, false},
		{"BOOTP", func(m *dhcpv4.DHCPv4) { delete(m.Options, optMessageType) }, Rival{}, false, false},
	} {
		if got, ok := p.sighting(offer(tt.change)); got.Rival != tt.want || got.probe != tt.probe || ok != tt.ok {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
	}
	list := addRival(addRival(addRival(nil, proxy), full), proxy)
	if !reflect.DeepEqual(list, []Rival{full}) {
		t.Errorf("list %+v", list)
	}
}

func TestRivalErrorNamesTheRemedy(t *testing.T) {
	msg := (&RivalError{[]Rival{{Interface: "eth0", Source: ip("10.0.0.3"), ServerID: ip("10.0.0.2"), Offered: ip("10.0.0.57")}}}).Error()
	for _, want := range []string{`"eth0"`, "10.0.0.3", "server id 10.0.0.2", "10.0.0.57", `"dhcp: proxy"`, `"force: true"`} {
		if !strings.Contains(msg, want) {
			t.Errorf("%q lacks %q", msg, want)
		}
	}
}
