package dhcp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const (
	knownMAC    = "52:54:00:00:00:01"
	unknownMAC  = "52:54:00:00:00:99"
	classEFI    = "PXEClient:Arch:00007:UNDI:003016"
	classEFIWeb = "HTTPClient:Arch:00016:UNDI:003001"
)

// say is a client's message.
type say struct {
	t                           MessageType
	mac                         string // knownMAC if empty
	class                       string
	ciaddr, requested, serverID string
	giaddr                      string
	to                          string // broadcast if empty
	from                        string
	port                        int // 67 if 0
	flags                       uint16
	options                     dhcpv4.Options
}

func (s say) datagram() datagram {
	m := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, TransactionID: dhcpv4.TransactionID{1, 2, 3, 4},
		Flags: s.flags, ClientHWAddr: mac(or(s.mac, knownMAC)), Options: dhcpv4.Options{optMessageType: {byte(s.t)}},
	}
	if s.ciaddr != "" {
		m.ClientIPAddr = ip(s.ciaddr).AsSlice()
	}
	if s.giaddr != "" {
		m.GatewayIPAddr = ip(s.giaddr).AsSlice()
	}
	for code, v := range map[uint8]string{optRequestedIP: s.requested, optServerID: s.serverID} {
		if v != "" {
			m.Options[code] = ip(v).AsSlice()
		}
	}
	if s.class != "" {
		m.Options[optVendorClass] = []byte(s.class)
	}
	for code, v := range s.options {
		m.Options[code] = v
	}
	d := datagram{data: m.ToBytes(), to: ip(or(s.to, "255.255.255.255")), port: max(s.port, ServerPort)}
	d.from = netip.MustParseAddrPort(or(s.from, "0.0.0.0:68"))
	return d
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}

func known() *memory {
	return &memory{machines: map[string]Decision{
		knownMAC: {Machine: "pc1", Hostname: "pc1", Serve: true, Boot: true, Filename: "undionly.kpxe"},
	}}
}

// summary is what a test compares of an answer: "ACK 10.77.0.100 to … boot".
func summary(p *dhcpv4.DHCPv4, to netip.AddrPort) string {
	if p == nil {
		return "silence"
	}
	s := MessageType(p.Options[optMessageType][0]).String()
	if a := addr(p.YourIPAddr.To4()); a.IsValid() {
		s += " " + a.String()
	}
	s += " to " + to.String()
	if f := p.Options[optBootFile]; f != nil {
		s += " boot " + string(f)
	}
	return s
}

func TestServerMode(t *testing.T) {
	const all = "255.255.255.255:68"
	for _, tt := range []struct {
		name   string
		say    say
		config func(*InterfaceConfig)
		want   string
		reason string // part of it
	}{
		{name: "DISCOVER of a known machine's OS",
			say: say{t: Discover}, want: "OFFER 10.77.0.100 to 10.77.0.100:68"},
		{name: "DISCOVER of a known machine's firmware",
			say: say{t: Discover, class: classEFI}, want: "OFFER 10.77.0.100 to 10.77.0.100:68 boot snponly.efi"},
		{name: "DISCOVER that wants a free address",
			say: say{t: Discover, requested: "10.77.0.150"}, want: "OFFER 10.77.0.150 to 10.77.0.150:68"},
		{name: "DISCOVER of unknown firmware: an address, nothing to boot",
			say: say{t: Discover, mac: unknownMAC, class: classEFI}, want: "OFFER 10.77.0.100 to 10.77.0.100:68", reason: "unknown machine"},
		{name: "DISCOVER of an unknown OS",
			say: say{t: Discover, mac: unknownMAC}, want: "silence", reason: "unknown machine"},
		{name: "DISCOVER of an unknown OS, served",
			say: say{t: Discover, mac: unknownMAC}, config: func(c *InterfaceConfig) { c.ServeUnknown = true }, want: "OFFER 10.77.0.100 to 10.77.0.100:68"},
		{name: "DISCOVER of a client that wants a broadcast",
			say: say{t: Discover, flags: flagBroadcast}, want: "OFFER 10.77.0.100 to " + all},
		{name: "REQUEST of a client that wants a broadcast",
			say: say{t: Request, flags: flagBroadcast, requested: "10.77.0.100"}, want: "ACK 10.77.0.100 to " + all},
		{name: "renewing, with the broadcast flag",
			say: say{t: Request, flags: flagBroadcast, ciaddr: "10.77.0.100", to: "10.77.0.1"}, want: "ACK 10.77.0.100 to 10.77.0.100:68"},
		{name: "DISCOVER through a relay of this network",
			say: say{t: Discover, giaddr: "10.77.0.8"}, want: "OFFER 10.77.0.100 to 10.77.0.8:67"},
		{name: "DISCOVER through a relay of another network",
			say: say{t: Discover, giaddr: "10.99.0.8"}, want: "silence", reason: "relay 10.99.0.8"},
		{name: "selecting us",
			say: say{t: Request, serverID: "10.77.0.1", requested: "10.77.0.100"}, want: "ACK 10.77.0.100 to 10.77.0.100:68"},
		{name: "selecting another server",
			say: say{t: Request, serverID: "10.77.0.2", requested: "10.77.0.100"}, want: "silence", reason: "took the offer of server 10.77.0.2"},
		{name: "selecting an address out of the pool",
			say: say{t: Request, serverID: "10.77.0.1", requested: "10.77.0.7"}, want: "NAK to " + all, reason: "not in the pool"},
		{name: "selecting another's address",
			say: say{t: Request, serverID: "10.77.0.1", requested: "10.77.0.120"}, want: "NAK to " + all, reason: "another machine"},
		{name: "init-reboot",
			say: say{t: Request, requested: "10.77.0.111"}, want: "ACK 10.77.0.111 to 10.77.0.111:68"},
		{name: "init-reboot on the wrong network",
			say: say{t: Request, requested: "192.168.1.5"}, want: "NAK to " + all, reason: "not on this network"},
		{name: "init-reboot on the wrong network, by an unknown machine",
			say: say{t: Request, mac: unknownMAC, requested: "192.168.1.5"}, want: "silence"},
		{name: "init-reboot of another's address",
			say: say{t: Request, requested: "10.77.0.120"}, want: "NAK to " + all},
		{name: "init-reboot of another's address, beside a rival",
			say: say{t: Request, requested: "10.77.0.120"}, config: func(c *InterfaceConfig) { c.Force = true }, want: "silence", reason: "not ours to refuse"},
		{name: "init-reboot without a record, beside a rival",
			say: say{t: Request, requested: "10.77.0.111"}, config: func(c *InterfaceConfig) { c.Force = true }, want: "silence",
			reason: "there is no record of a lease of 10.77.0.111: it is not ours to refuse"},
		{name: "rebinding without a record, beside a rival",
			say: say{t: Request, ciaddr: "10.77.0.111"}, config: func(c *InterfaceConfig) { c.Force = true }, want: "silence", reason: "no record"},
		{name: "rebinding without a record, through a relay, beside a rival",
			say:    say{t: Request, ciaddr: "10.77.0.111", to: "10.77.0.1", giaddr: "10.77.0.8"},
			config: func(c *InterfaceConfig) { c.Force = true }, want: "silence", reason: "no record"},
		{name: "renewing without a record, beside a rival",
			say: say{t: Request, ciaddr: "10.77.0.111", to: "10.77.0.1"}, config: func(c *InterfaceConfig) { c.Force = true }, want: "ACK 10.77.0.111 to 10.77.0.111:68"},
		{name: "renewing",
			say: say{t: Request, ciaddr: "10.77.0.100", to: "10.77.0.1", from: "10.77.0.100:68"}, want: "ACK 10.77.0.100 to 10.77.0.100:68"},
		{name: "renewing another's address, beside a rival",
			say: say{t: Request, ciaddr: "10.77.0.120", to: "10.77.0.1"}, config: func(c *InterfaceConfig) { c.Force = true }, want: "NAK to " + all},
		{name: "rebinding",
			say: say{t: Request, ciaddr: "10.77.0.100", from: "10.77.0.100:68"}, want: "ACK 10.77.0.100 to 10.77.0.100:68"},
		{name: "REQUEST of nothing",
			say: say{t: Request}, want: "silence", reason: "names no address"},
		{name: "NAK through a relay",
			say: say{t: Request, requested: "192.168.1.5", giaddr: "10.77.0.8"}, want: "NAK to 10.77.0.8:67"},
		{name: "INFORM",
			say: say{t: Inform, ciaddr: "10.77.0.44"}, want: "ACK to 10.77.0.44:68"},
		{name: "INFORM without an address",
			say: say{t: Inform}, want: "silence", reason: "without an address"},
		{name: "INFORM from another network",
			say: say{t: Inform, ciaddr: "192.168.1.5"}, want: "silence", reason: "INFORM from 192.168.1.5, which is not on this network"},
		{name: "INFORM of an unknown host",
			say: say{t: Inform, mac: unknownMAC, ciaddr: "10.77.0.44"}, want: "silence"},
		{name: "RELEASE to another server",
			say: say{t: Release, ciaddr: "10.77.0.120", serverID: "10.77.0.2"}, want: "silence", reason: "another server"},
		{name: "RELEASE that the store refuses",
			say: say{t: Release, ciaddr: "10.77.0.120", serverID: "10.77.0.1"}, want: "silence", reason: "not leased"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serverConfig()
			if tt.config != nil {
				tt.config(&c)
			}
			m, leases := known(), newPool()
			leases.byAddr[ip("10.77.0.120")] = "52:54:00:00:00:77"
			p, to := ask(t, testLink(c, m, leases), tt.say.datagram())
			if got := summary(p, to); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			checkSent(t, m, p, tt.reason)
			if leases.byAddr[ip("10.77.0.120")] != "52:54:00:00:00:77" {
				t.Error("another machine's lease is gone")
			}
		})
	}
}

// checkSent: one Decide and one Sent, which agree with what went out.
func checkSent(t *testing.T, m *memory, p *dhcpv4.DHCPv4, reason string) {
	t.Helper()
	if m.decided != 1 || len(m.sent) != 1 {
		t.Fatalf("%d Decide, %d Sent; want one each", m.decided, len(m.sent))
	}
	r := m.sent[0].r
	if (r.Type == 0) != (p == nil) || p != nil && byte(r.Type) != p.Options[optMessageType][0] {
		t.Errorf("Sent says %v", r.Type)
	}
	if p == nil && r.Reason == "" || !strings.Contains(r.Reason, reason) {
		t.Errorf("reason %q, want %q in it", r.Reason, reason)
	}
	if p != nil && r.Boot != (p.Options[optBootFile] != nil) {
		t.Errorf("Sent says boot %v", r.Boot)
	}
}

func TestProxyMode(t *testing.T) {
	const all = "255.255.255.255:68"
	for _, tt := range []struct {
		name, want, reason string
		say                say
	}{
		{name: "DISCOVER of firmware", say: say{t: Discover, class: classEFI}, want: "OFFER to " + all + " boot snponly.efi"},
		{name: "DISCOVER of an OS", say: say{t: Discover}, want: "silence", reason: "not booting from the network"},
		{name: "DISCOVER of unknown firmware", say: say{t: Discover, mac: unknownMAC, class: classEFI}, want: "silence", reason: "unknown machine"},
		{name: "REQUEST on 67", say: say{t: Request, class: classEFI, requested: "10.77.0.9", serverID: "10.77.0.2"}, want: "silence", reason: "proxy"},
		{name: "REQUEST on 67 that names us", say: say{t: Request, class: classEFI, requested: "10.77.0.9", serverID: "10.77.0.1"}, want: "silence", reason: "proxy"},
		{name: "RELEASE", say: say{t: Release, class: classEFI, ciaddr: "10.77.0.9", serverID: "10.77.0.1"}, want: "silence"},
		{name: "REQUEST on 4011", say: say{t: Request, class: classEFI, port: 4011, ciaddr: "10.77.0.9", to: "10.77.0.1", from: "10.77.0.9:4011"},
			want: "ACK to 10.77.0.9:4011 boot snponly.efi"},
		{name: "INFORM on 4011 from port 68", say: say{t: Inform, class: classEFI, port: 4011, ciaddr: "10.77.0.9", to: "10.77.0.1", from: "10.77.0.9:68"},
			want: "ACK to 10.77.0.9:68 boot snponly.efi"},
		{name: "DISCOVER on 4011", say: say{t: Discover, class: classEFI, port: 4011, to: "10.77.0.1", from: "10.77.0.9:68"}, want: "silence"},
		{name: "HTTP boot", say: say{t: Discover, class: classEFIWeb}, want: "OFFER to " + all + " boot http://10.77.0.1/loader/snponly.efi"},
		{name: "through a relay", say: say{t: Discover, class: classEFI, giaddr: "10.78.0.1"}, want: "OFFER to 10.78.0.1:67 boot snponly.efi"},
		{name: "through a relay of another network", say: say{t: Discover, class: classEFI, giaddr: "10.99.0.8"}, want: "silence",
			reason: `came through relay 10.99.0.8, and no network of interface "br0" has that address`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := known()
			p, to := ask(t, testLink(InterfaceConfig{Name: "br0", Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.78.0.0/24")}}}, m, nil), tt.say.datagram())
			if got := summary(p, to); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			checkSent(t, m, p, tt.reason)
			if p != nil && (!p.YourIPAddr.IsUnspecified() || p.Options[optLeaseTime] != nil || p.Options[optRouter] != nil) {
				t.Errorf("a proxy gave an address or a network option: %v", p)
			}
		})
	}
}

// ROM, iPXE, initramfs and OS each send another option 61.
func TestOneAddressForAllClientIDs(t *testing.T) {
	l := testLink(serverConfig(), known(), newPool())
	for _, id := range []string{"", "00 01 23", "01 52 54 00 00 00 01", "ff 12 34 56 78 00 02 00 00 ab 11"} {
		s := say{t: Discover}
		if id != "" {
			s.options = dhcpv4.Options{61: unhex(t, id)}
		}
		p, to := ask(t, l, s.datagram())
		if got := summary(p, to); !strings.HasPrefix(got, "OFFER 10.77.0.100 ") {
			t.Errorf("client id %q: %s", id, got)
		}
		if p != nil && p.Options[61] != nil {
			t.Errorf("client id %q came back", id)
		}
	}
}

func TestReleaseAndDecline(t *testing.T) {
	leases := newPool()
	l := testLink(serverConfig(), known(), leases)
	a := ip("10.77.0.100")
	ask(t, l, say{t: Request, serverID: "10.77.0.1", requested: a.String()}.datagram())
	if leases.byAddr[a] != knownMAC {
		t.Fatal("no lease")
	}
	ask(t, l, say{t: Release, serverID: "10.77.0.1", ciaddr: a.String()}.datagram())
	if leases.byAddr[a] != "" {
		t.Error("still leased after RELEASE")
	}
	ask(t, l, say{t: Decline, serverID: "10.77.0.1", requested: a.String()}.datagram())
	p, to := ask(t, l, say{t: Discover, requested: a.String()}.datagram())
	if got := summary(p, to); !strings.HasPrefix(got, "OFFER 10.77.0.101 ") {
		t.Errorf("after DECLINE: %s", got)
	}
}

// A fault of ours is silence with an error, never a NAK: the client must not
// give up its address because our store is down.
func TestLeasesUnavailable(t *testing.T) {
	down := errors.New("store is down")
	for _, s := range []say{
		{t: Discover}, {t: Request, ciaddr: "10.77.0.100"}, {t: Request, serverID: "10.77.0.1", requested: "10.77.0.100"},
		{t: Decline, serverID: "10.77.0.1", requested: "10.77.0.100"},
	} {
		m, leases := known(), newPool()
		leases.err = down
		p, to := ask(t, testLink(serverConfig(), m, leases), s.datagram())
		if got := summary(p, to); got != "silence" {
			t.Errorf("%s: %s", s.t, got)
		}
		if r := m.sent[0].r; !errors.Is(r.Err, down) || r.Reason == "" {
			t.Errorf("%s: Sent %+v", s.t, r)
		}
	}
}

func TestInterfaceWithoutAddress(t *testing.T) {
	m := known()
	l := testLinkAt(serverConfig(), m, newPool())
	p, _ := ask(t, l, say{t: Discover}.datagram())
	checkSent(t, m, p, "no IPv4 address")
}

func TestSendFails(t *testing.T) {
	m := known()
	l := testLink(serverConfig(), m, newPool())
	fault := errors.New("network is down")
	l.handle(context.Background(), say{t: Discover, class: classEFI}.datagram(),
		func([]byte, netip.Addr, netip.AddrPort, net.HardwareAddr) error { return fault })
	if r := m.sent[0].r; len(m.sent) != 1 || !errors.Is(r.Err, fault) || r.Type != 0 || r.Boot {
		t.Errorf("Sent %+v", m.sent)
	}
}

// Whoever gets another address than the one kept for it finds out why.
func TestInsteadOfItsOwnAddress(t *testing.T) {
	for own, want := range map[string]string{
		"10.77.0.100": "",
		"10.77.0.20":  "is another's, or was found in use: `bootes lease ls` shows it",
		"10.99.0.1":   "is in no network of this link: keep another for it by `bootes machine set pc1 --address`, or none",
	} {
		m := known()
		d := m.machines[knownMAC]
		d.Address = ip(own)
		m.machines[knownMAC] = d
		if ask(t, testLink(serverConfig(), m, newPool()), say{t: Discover}.datagram()); m.sent[0].r.Instead != want {
			t.Errorf("kept %s: %q", own, m.sent[0].r.Instead)
		}
	}
}

// Beside a rival, what is our own lease goes on.
func TestForceKeepsItsLeases(t *testing.T) {
	c := serverConfig()
	c.Force = true
	l := testLink(c, known(), newPool())
	for _, s := range []say{
		{t: Discover}, {t: Request, serverID: "10.77.0.1", requested: "10.77.0.100"}, {t: Request, requested: "10.77.0.100"}, {t: Request, ciaddr: "10.77.0.100"},
	} {
		if p, to := ask(t, l, s.datagram()); !strings.Contains(summary(p, to), " 10.77.0.100 ") {
			t.Errorf("%s: %s", s.t, summary(p, to))
		}
	}
}

// The answer comes from the address that was asked, and names it.
func TestSecondAddressOfTheInterface(t *testing.T) {
	m := known()
	l := testLinkAt(InterfaceConfig{Name: "br0"}, m, nil, ourPrefix, netip.MustParsePrefix("10.88.0.1/24"))
	var from netip.Addr
	var siaddr string
	s := say{t: Request, class: classEFI, port: 4011, to: "10.88.0.1", from: "10.88.0.9:4011", ciaddr: "10.88.0.9"}
	l.handle(context.Background(), s.datagram(), func(b []byte, a netip.Addr, _ netip.AddrPort, _ net.HardwareAddr) error {
		p, err := dhcpv4.FromBytes(b)
		from, siaddr = a, p.ServerIPAddr.String()
		return err
	})
	if from != ip("10.88.0.1") || siaddr != "10.88.0.1" {
		t.Errorf("answered from %s with siaddr %s", from, siaddr)
	}
}

// EDK2 asks siaddr of a proxy's offer on port 4011; the true server comes then.
func TestNextServerOfAProxy(t *testing.T) {
	m := known()
	d := m.machines[knownMAC]
	d.NextServer = ip("10.77.0.70")
	m.machines[knownMAC] = d
	l := testLink(InterfaceConfig{Name: "br0"}, m, nil)
	for _, tt := range []struct {
		say  say
		want string
	}{
		{say{t: Discover, class: classEFI}, "10.77.0.1"},
		{say{t: Request, class: classEFI, port: 4011, to: "10.77.0.1", from: "10.77.0.9:4011"}, "10.77.0.70"},
		{say{t: Discover, class: "PXEClient:Arch:00000:UNDI:002001"}, "10.77.0.70"},
		{say{t: Discover, class: classEFI, options: dhcpv4.Options{optUserClass: []byte("iPXE")}}, "10.77.0.70"},
	} {
		p, _ := ask(t, l, tt.say.datagram())
		if p == nil || p.ServerIPAddr.String() != tt.want {
			t.Errorf("%s port %d %q: %v, want siaddr %s", tt.say.t, tt.say.port, tt.say.class, p, tt.want)
		}
	}
}

func TestLongURLStaysOutOfTheFileField(t *testing.T) {
	m := &memory{machines: map[string]Decision{knownMAC: {Boot: true, Serve: true, Filename: strings.Repeat("x", 128)}}}
	p, _ := ask(t, testLink(serverConfig(), m, newPool()), say{t: Discover, class: "PXEClient:Arch:00000"}.datagram())
	if p.BootFileName != "" || len(p.Options[optBootFile]) != 128 {
		t.Errorf("file %q, option 67 of %d bytes", p.BootFileName, len(p.Options[optBootFile]))
	}
}

// The name of its disk is for a client that asks for it and does not boot by PXE.
func TestRootPath(t *testing.T) {
	const path = "iscsi:10.77.0.1:::0:iqn.2026-01.dev.bootes:pc1"
	m := known()
	d := m.machines[knownMAC]
	d.RootPath = path
	m.machines[knownMAC] = d
	asks := dhcpv4.Options{optParameters: {optSubnetMask, optRootPath}}
	for _, tt := range []struct {
		name string
		say  say
		want string
	}{
		{"an HBA's DISCOVER", say{t: Discover, options: asks}, path},
		{"its REQUEST", say{t: Request, requested: "10.77.0.100", options: asks}, path},
		{"one that does not ask", say{t: Discover, options: dhcpv4.Options{optParameters: {optSubnetMask}}}, ""},
		{"no list at all", say{t: Discover}, ""},
		{"PXE", say{t: Discover, class: classEFI, options: asks}, ""},
		{"another machine", say{t: Discover, mac: unknownMAC, class: classEFI, options: asks}, ""},
	} {
		l := testLink(serverConfig(), m, newPool())
		p, _ := ask(t, l, tt.say.datagram())
		if p == nil || string(p.Options[optRootPath]) != tt.want {
			t.Errorf("%s: %v, want root path %q", tt.name, p, tt.want)
		}
	}
	if p, _ := ask(t, testLink(InterfaceConfig{Name: "br0"}, m, nil), say{t: Discover, options: asks}.datagram()); p != nil {
		t.Errorf("a proxy answers: %v", p)
	}
}

func TestRelayOptionComesBack(t *testing.T) {
	s := say{t: Discover, giaddr: "10.77.0.8", options: dhcpv4.Options{optRelayAgent: {1, 2, 0xaa, 0xbb}}}
	p, _ := ask(t, testLink(serverConfig(), known(), newPool()), s.datagram())
	if !bytes.Equal(p.Options[optRelayAgent], []byte{1, 2, 0xaa, 0xbb}) {
		t.Errorf("option 82: % x", p.Options[optRelayAgent])
	}
}

func FuzzHandle(f *testing.F) {
	f.Add(say{t: Discover, giaddr: "10.78.0.1", options: merge(relayInfo("5", "10.79.0.0", "11", "10.78.0.1"), dhcpv4.Options{optParameters: {121, 3, 6}})}.datagram().data, true, true)
	f.Add(say{t: Request, giaddr: "10.78.0.1", serverID: "10.78.0.1", requested: "10.78.0.100", options: merge(relayInfo("11", "10.78.0.1"), dhcpv4.Options{optMaxSize: {2, 64}})}.datagram().data, true, true)
	f.Add(say{t: Discover, options: dhcpv4.Options{optSubnetSelection: ip("10.79.0.0").AsSlice()}}.datagram().data, true, false)
	f.Add(say{t: Discover, class: classEFI}.datagram().data, false, false)
	f.Add(say{t: Request, ciaddr: "10.77.0.100"}.datagram().data, true, false)
	f.Add(say{t: Request, class: classEFIWeb, serverID: "10.77.0.1", requested: "10.77.0.100"}.datagram().data, true, true)
	f.Add(say{t: Decline, serverID: "10.77.0.1", requested: "10.77.0.100"}.datagram().data, true, true)
	f.Fuzz(func(t *testing.T, b []byte, server, unicast bool) {
		m := known()
		l := testLink(InterfaceConfig{Name: "br0"}, m, nil)
		in := datagram{data: bytes.Clone(b), from: netip.MustParseAddrPort("10.77.0.9:4011"), to: broadcast, port: ProxyPort}
		if server {
			c := siteConfig()
			c.ServeUnknown = true
			l, in.port = testLinkAt(c, m, newPool(), ourPrefix, netip.MustParsePrefix("10.88.0.1/24")), ServerPort
			in.from = netip.MustParseAddrPort("10.77.0.9:67")
			looking(l, "10.78.0.100")
		}
		if unicast {
			in.to = ourAddress
		}
		p, _ := askFrom(t, l, in)
		if len(m.sent) > 1 || m.decided < len(m.sent) || m.decided > 2*len(m.sent) {
			t.Fatalf("%d Decide, %d Sent", m.decided, len(m.sent))
		}
		if p != nil && (len(b) < 240 || b[0] != 1 || b[2] != 6 || m.decided == 0) {
			t.Fatalf("answered % x", b)
		}
		if p != nil && server {
			checkGiven(t, p)
		}
	})
}

// checkGiven: an address is of a network that we serve, and told with its mask.
func checkGiven(t *testing.T, p *dhcpv4.DHCPv4) {
	given := addr(p.YourIPAddr.To4())
	if !given.IsValid() {
		return
	}
	for _, s := range []string{"10.77.0.0/24", "10.78.0.0/24", "10.79.0.0/16", "10.88.0.0/24"} {
		if n := netip.MustParsePrefix(s); n.Contains(given) && bytes.Equal(p.Options[optSubnetMask], mask(n)) {
			return
		}
	}
	t.Fatalf("gave %s with mask % d", given, p.Options[optSubnetMask])
}
