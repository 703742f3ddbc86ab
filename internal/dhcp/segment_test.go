package dhcp

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

func poolOf(ends ...string) (all []Pool) {
	for ; len(ends) > 0; ends = ends[2:] {
		all = append(all, Pool{ip(ends[0]), ip(ends[1])})
	}
	return all
}

// siteConfig has the wire's own network, a second one on it, and two behind relays.
func siteConfig() InterfaceConfig {
	c := serverConfig()
	c.Subnets = append(c.Subnets,
		Subnet{Prefix: netip.MustParsePrefix("10.78.0.0/24"), Pools: poolOf("10.78.0.100", "10.78.0.199"), Router: ip("10.78.0.1"), LeaseTime: 2 * time.Hour},
		Subnet{Prefix: netip.MustParsePrefix("10.79.0.0/16"), Pools: poolOf("10.79.1.0", "10.79.2.255")},
		Subnet{Prefix: netip.MustParsePrefix("10.88.0.0/24"), Pools: poolOf("10.88.0.100", "10.88.0.199")})
	return c
}

func siteLink(m Policy, leases Leases) *link {
	return testLinkAt(siteConfig(), m, leases, ourPrefix, netip.MustParsePrefix("10.88.0.1/24"))
}

func relayInfo(subs ...string) dhcpv4.Options {
	o := dhcpv4.Options{}
	for i := 0; i < len(subs); i += 2 {
		var code byte
		fmt.Sscan(subs[i], &code)
		o[optRelayAgent] = append(append(o[optRelayAgent], code, 4), ip(subs[i+1]).AsSlice()...)
	}
	return o
}

func TestNetworkOfAClient(t *testing.T) {
	for _, tt := range []struct {
		name   string
		say    say
		want   string
		server string // option 54
		reason string
	}{
		{name: "on the wire", say: say{t: Discover}, want: "OFFER 10.77.0.100 to ", server: "10.77.0.1"},
		{name: "behind a relay", say: say{t: Discover, giaddr: "10.78.0.1"}, want: "OFFER 10.78.0.100 to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "behind another", say: say{t: Discover, giaddr: "10.79.200.9"}, want: "OFFER 10.79.1.0 to 10.79.200.9:67", server: "10.77.0.1"},
		{name: "a relay of a wire's second network", say: say{t: Discover, giaddr: "10.88.0.9", requested: "10.88.0.150"},
			want: "OFFER 10.88.0.150 to 10.88.0.9:67", server: "10.88.0.1"},
		{name: "the relay's address does not count", say: say{t: Discover, giaddr: "10.78.0.1", options: relayInfo("5", "10.79.0.0")},
			want: "OFFER 10.79.1.0 to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "nor does the client's choice", say: say{t: Discover, giaddr: "10.78.0.1", options: merge(relayInfo("5", "10.79.0.0"), dhcpv4.Options{optSubnetSelection: ip("10.78.0.0").AsSlice()})},
			want: "OFFER 10.79.1.0 to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "the client's choice before the relay's address", say: say{t: Discover, giaddr: "10.78.0.1", options: dhcpv4.Options{optSubnetSelection: ip("10.79.0.0").AsSlice()}},
			want: "OFFER 10.79.1.0 to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "relay's information without a relay", say: say{t: Discover, options: relayInfo("5", "10.79.0.0", "11", "10.79.0.1")},
			want: "OFFER 10.77.0.100 to ", server: "10.77.0.1"},
		{name: "the relay stands for us", say: say{t: Discover, giaddr: "10.78.0.1", options: relayInfo("11", "10.78.0.1")},
			want: "OFFER 10.78.0.100 to 10.78.0.1:67", server: "10.78.0.1"},
		{name: "selecting the relay that stands for us", say: say{t: Request, giaddr: "10.78.0.1", serverID: "10.78.0.1", requested: "10.78.0.100", options: relayInfo("11", "10.78.0.1")},
			want: "ACK 10.78.0.100 to 10.78.0.1:67", server: "10.78.0.1"},
		{name: "selecting a relay that does not", say: say{t: Request, giaddr: "10.78.0.1", serverID: "10.78.0.1", requested: "10.78.0.100"},
			want: "silence", reason: "took the offer of server 10.78.0.1"},
		{name: "selecting our other address", say: say{t: Request, serverID: "10.88.0.1", requested: "10.88.0.100"},
			want: "ACK 10.88.0.100 to ", server: "10.88.0.1"},
		{name: "renewing through routers", say: say{t: Request, ciaddr: "10.78.0.150", to: "10.77.0.1", from: "10.78.0.150:68"},
			want: "ACK 10.78.0.150 to 10.78.0.150:68", server: "10.77.0.1"},
		{name: "renewing what is no network of ours", say: say{t: Request, ciaddr: "10.99.0.150", to: "10.77.0.1", from: "10.99.0.150:68"},
			want: "silence", reason: `10.99.0.150 is in no network that we serve on interface "br0"`},
		{name: "rebinding through a relay", say: say{t: Request, ciaddr: "10.78.0.150", giaddr: "10.78.0.1"}, want: "ACK 10.78.0.150 to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "selecting through a relay what is another's", say: say{t: Request, serverID: "10.77.0.1", requested: "10.78.0.7", giaddr: "10.78.0.1"}, want: "NAK to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "renewing through the relay that stands for us", say: say{t: Request, ciaddr: "10.78.0.150", giaddr: "10.78.0.1", to: "10.77.0.1", options: relayInfo("11", "10.78.0.1")},
			want: "ACK 10.78.0.150 to 10.78.0.1:67", server: "10.78.0.1"},
		{name: "rebinding through a relay what was never ours to give", say: say{t: Request, ciaddr: "10.78.0.7", giaddr: "10.78.0.1", to: "10.77.0.1"}, want: "NAK to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "INFORM behind a relay", say: say{t: Inform, ciaddr: "10.78.0.7", giaddr: "10.78.0.1", to: "10.77.0.1"}, want: "ACK to 10.78.0.1:67", server: "10.77.0.1"},
		{name: "moved from behind a relay to the wire", say: say{t: Request, requested: "10.78.0.150"}, want: "NAK to ", server: "10.77.0.1"},
		{name: "moved from relay to relay", say: say{t: Request, requested: "10.78.0.150", giaddr: "10.79.0.1"}, want: "NAK to 10.79.0.1:67", server: "10.77.0.1"},
		{name: "rebinding after a move", say: say{t: Request, ciaddr: "10.78.0.150"}, want: "NAK to ", server: "10.77.0.1"},
		{name: "back on the wire's second network", say: say{t: Request, requested: "10.88.0.150"}, want: "ACK 10.88.0.150 to ", server: "10.88.0.1"},
		{name: "a foreign relay", say: say{t: Discover, giaddr: "10.99.0.8"}, want: "silence",
			reason: `came through relay 10.99.0.8, and no network of interface "br0" has that address`},
		{name: "a foreign network", say: say{t: Discover, giaddr: "10.78.0.1", options: relayInfo("5", "10.99.0.0")}, want: "silence",
			reason: `came from network 10.99.0.0, which interface "br0" does not serve: write it under its subnets:`},
		{name: "RELEASE from behind a relay", say: say{t: Release, ciaddr: "10.78.0.120", serverID: "10.77.0.1", to: "10.77.0.1"}, want: "silence", reason: "released 10.78.0.120"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, leases := known(), newPool()
			leases.byAddr[ip("10.78.0.120")] = knownMAC
			if tt.say.t != Release {
				delete(leases.byAddr, ip("10.78.0.120"))
			}
			p, to := askFrom(t, siteLink(m, leases), tt.say.datagram())
			if got := summary(p, to); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if p != nil && addr(p.Options[optServerID]) != ip(tt.server) {
				t.Errorf("server identifier % d, want %s", p.Options[optServerID], tt.server)
			}
			if p != nil && tt.say.giaddr != "" && summary(p, to)[:3] == "NAK" && p.Flags&flagBroadcast == 0 {
				t.Error("the relay is not told to broadcast the NAK (RFC 2131, 4.3.2)")
			}
			if r := m.sent[0].r; !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("reason %q, want %q", r.Reason, tt.reason)
			}
		})
	}
}

func merge(all ...dhcpv4.Options) dhcpv4.Options {
	o := dhcpv4.Options{}
	for _, a := range all {
		for code, v := range a {
			o[code] = v
		}
	}
	return o
}

// On a wire with two networks the lease decides by which address of ours the
// client reaches us, and so what it boots from.
func TestSecondNetworkOfTheWire(t *testing.T) {
	m, leases := known(), newPool()
	leases.byAddr[ip("10.88.0.150")] = knownMAC
	p, _ := askFrom(t, siteLink(m, leases), say{t: Discover, class: classEFIWeb}.datagram())
	if p.YourIPAddr.String() != "10.88.0.150" || p.ServerIPAddr.String() != "10.88.0.1" || string(p.Options[optBootFile]) != "http://10.88.0.1/loader/snponly.efi" {
		t.Errorf("%v", p.Summary())
	}
	if got := net4(p.Options[optSubnetMask]); got != "255.255.255.0" || p.Options[optRouter] != nil {
		t.Errorf("mask %s, router % d", got, p.Options[optRouter])
	}
	if m.decided != 2 || len(m.sent) != 1 {
		t.Errorf("%d Decide, %d Sent", m.decided, len(m.sent))
	}
}

func net4(b []byte) string { a, _ := netip.AddrFromSlice(b); return a.String() }

func TestWireNotServed(t *testing.T) {
	c := siteConfig()
	c.Subnets = c.Subnets[1:3]
	m := known()
	p, _ := ask(t, testLink(c, m, newPool()), say{t: Discover}.datagram())
	checkSent(t, m, p, `the wire of interface "br0" itself is not served: write a range: for it`)
}

// No server on our wire says nothing of those that a relay sends to, too.
func TestAutoBehindRelay(t *testing.T) {
	n, _ := testOthers(ModeProxy, true)
	n.probed(time.Unix(1, 0))
	l := testLink(InterfaceConfig{Name: "br0", Auto: true, Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.99.0.0/24")}}}, known(), nil)
	l.others = n
	if p, _ := ask(t, l, say{t: Discover, class: classEFI}.datagram()); p != nil {
		t.Errorf("on a wire without a server: %v", p)
	}
	if p, to := ask(t, l, say{t: Discover, class: classEFI, giaddr: "10.99.0.8"}.datagram()); summary(p, to) != "OFFER to 10.99.0.8:67 boot snponly.efi" {
		t.Errorf("behind a relay: %s", summary(p, to))
	}
}

func TestHosts(t *testing.T) {
	c := serverConfig()
	c.Subnets[0].Hosts = []Host{{unknownMAC, ip("10.77.0.20"), "printer"}, {"52:54:00:00:00:98", ip("10.77.0.100"), ""}}
	l := testLink(c, known(), newPool())
	for _, s := range []say{{t: Discover, mac: unknownMAC}, {t: Request, mac: unknownMAC, requested: "10.77.0.20"}} {
		p, to := ask(t, l, s.datagram())
		if got := summary(p, to); !strings.Contains(got, " 10.77.0.20 ") || string(p.Options[optHostName]) != "printer" {
			t.Errorf("a host's %s: %s", s.t, got)
		}
	}
	if p, to := ask(t, l, say{t: Discover}.datagram()); !strings.HasPrefix(summary(p, to), "OFFER 10.77.0.101 ") {
		t.Errorf("a host's address was offered: %s", summary(p, to))
	}
	if p, to := ask(t, l, say{t: Request, mac: unknownMAC, requested: "10.77.0.150"}.datagram()); !strings.HasPrefix(summary(p, to), "NAK") {
		t.Errorf("a host that wants another address: %s", summary(p, to))
	}
}

func TestWithout(t *testing.T) {
	pools := poolOf("10.0.0.10", "10.0.0.19", "10.0.0.30", "10.0.0.39")
	for _, tt := range []struct {
		taken []Pool
		want  string
	}{
		{nil, "10.0.0.10 to 10.0.0.19, 10.0.0.30 to 10.0.0.39"},
		{poolOf("10.0.0.12", "10.0.0.13"), "10.0.0.10 to 10.0.0.11, 10.0.0.14 to 10.0.0.19, 10.0.0.30 to 10.0.0.39"},
		{poolOf("10.0.0.0", "10.0.0.10"), "10.0.0.11 to 10.0.0.19, 10.0.0.30 to 10.0.0.39"},
		{poolOf("10.0.0.15", "10.0.0.38"), "10.0.0.10 to 10.0.0.14, 10.0.0.39"},
		{poolOf("10.0.0.20", "10.0.0.29"), "10.0.0.10 to 10.0.0.19, 10.0.0.30 to 10.0.0.39"},
		{poolOf("10.0.0.10", "10.0.0.19", "10.0.0.39", "10.0.0.50"), "10.0.0.30 to 10.0.0.38"},
		{poolOf("0.0.0.0", "255.255.255.255"), ""},
	} {
		if got := (&segment{pools: without(pools, tt.taken)}).String(); got != tt.want {
			t.Errorf("without %v: %s, want %s", tt.taken, got, tt.want)
		}
	}
}

func TestPlace(t *testing.T) {
	c := InterfaceConfig{Subnets: []Subnet{{Pools: poolOf("10.77.0.0", "10.77.0.255"), Exclude: poolOf("10.77.0.128", "10.77.0.255"), Router: ip("10.77.0.2"), DNS: []netip.Addr{ip("10.77.0.3")}}}}
	p := newPlace(netif.Interface{Addrs: []netip.Prefix{ourPrefix}}, c)
	if got := p.wire.String(); got != "10.77.0.1 to 10.77.0.127" || fmt.Sprint(p.wire.exclude) != "[10.77.0.3 10.77.0.1 10.77.0.2]" || fmt.Sprint(p.wire.subnets) != "[10.77.0.0/24]" {
		t.Errorf("%s without %v", got, p.wire.exclude)
	}
	second := netip.MustParsePrefix("10.77.0.100/24")
	if p := newPlace(netif.Interface{Addrs: []netip.Prefix{ourPrefix, second}}, c); !slices.Contains(p.wire.exclude, second.Addr()) {
		t.Errorf("our second address would be given away: %v", p.wire.exclude)
	}
	// An interface that has lost its address serves nobody, and is asked again in a second.
	if p := newPlace(netif.Interface{}, c); len(p.wire.networks)+len(p.far) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestSubnetOptions(t *testing.T) {
	s := Subnet{
		Router: ip("10.77.0.1"), NTP: []netip.Addr{ip("10.77.0.2"), ip("10.77.0.3")}, LeaseTime: time.Hour, Rebind: 50 * time.Minute,
		Routes:  []Route{{netip.MustParsePrefix("10.8.0.0/14"), ip("10.77.0.4")}, {netip.MustParsePrefix("192.0.2.7/32"), ip("10.77.0.5")}},
		Options: []Option{{150, []byte{10, 77, 0, 9}}},
	}
	o := s.options(netip.MustParsePrefix("10.77.0.0/24"))
	for code, want := range map[uint8]string{
		optRoutes:     "0e 0a 08  0a 4d 00 04   20 c0 00 02 07  0a 4d 00 05   00  0a 4d 00 01",
		optNTP:        "0a 4d 00 02  0a 4d 00 03",
		optSubnetMask: "ff ff ff 00", optBroadcast: "0a 4d 00 ff", optRouter: "0a 4d 00 01", 150: "0a 4d 00 09",
		optLeaseTime: "00 00 0e 10", optRenewalTime: "00 00 07 08", optRebindTime: "00 00 0b b8",
	} {
		if string(o[code]) != string(unhex(t, want)) {
			t.Errorf("option %d: % x, want %s", code, o[code], want)
		}
	}
	if len(o) != 9 {
		t.Errorf("%d options", len(o))
	}
}

func TestIntroduce(t *testing.T) {
	var log strings.Builder
	l := siteLink(known(), newPool())
	l.log = slog.New(slog.NewTextHandler(&log, nil))
	l.introduce()
	for _, want := range []string{
		`msg="gives addresses on its wire" interface=br0 networks="[10.77.0.0/24 10.88.0.0/24]" addresses="10.77.0.100 to 10.77.0.199, 10.88.0.100 to 10.88.0.199"`,
		`msg="gives addresses behind relays" interface=br0 networks=[10.78.0.0/24] addresses="10.78.0.100 to 10.78.0.199"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in:\n%s", want, log.String())
		}
	}
}

func TestForeignRelayIsToldOfOnce(t *testing.T) {
	var log strings.Builder
	l := siteLink(known(), newPool())
	l.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		askFrom(t, l, say{t: Discover, giaddr: "10.99.0.8"}.datagram())
	}
	if got := log.String(); strings.Count(got, "relay 10.99.0.8, and no network of interface") != 1 || !strings.Contains(got, knownMAC) {
		t.Errorf("log:\n%s", got)
	}
	for i := range 3 * maxStrangers {
		askFrom(t, l, say{t: Discover, giaddr: fmt.Sprintf("10.99.1.%d", i+1)}.datagram())
	}
	if n := strings.Count(log.String(), "no answer"); n != maxStrangers {
		t.Errorf("%d lines", n)
	}
}

// TestRouterless: of a network behind a relay it is known that no router is told
// there, and of the wire nobody needs one.
func TestRouterless(t *testing.T) {
	for giaddr, want := range map[string]string{"10.79.0.1": "10.79.0.0/16", "10.78.0.1": "invalid Prefix", "10.88.0.2": "invalid Prefix"} {
		m := known()
		askFrom(t, siteLink(m, newPool()), say{t: Discover, giaddr: giaddr}.datagram())
		if got := m.sent[len(m.sent)-1].r; got.Type != Offer || got.Routerless.String() != want {
			t.Errorf("through %s: %s, %s; want %s", giaddr, got.Type, got.Routerless, want)
		}
	}
}
