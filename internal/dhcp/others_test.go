package dhcp

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// said is a log that can be asked for what is new in it.
type said struct{ bytes.Buffer }

func (s *said) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "last" {
			return slog.Attr{}
		}
		return a
	}}))
}

func (s *said) next() string {
	defer s.Reset()
	return strings.TrimSpace(s.String())
}

func testOthers(mode Mode, auto bool) (*others, *said) {
	s := &said{}
	n := newOthers(InterfaceConfig{Name: "eth0", Mode: mode, Auto: auto}, s.log())
	n.ours = func(a netip.Addr) bool { return a == ourAddress }
	return n, s
}

func server(last int) sighting {
	a := ip(fmt.Sprintf("10.77.0.%d", last))
	return sighting{Rival: Rival{Source: a, ServerID: a, Offered: ip("10.77.0.50")}, mac: fmt.Sprintf("02:00:00:00:00:%02x", last), probe: true, by: "our probe"}
}

func proxyServer(last int) sighting {
	s := server(last)
	s.Offered = netip.Addr{}
	return s
}

const (
	lonely = `level=WARN msg="no DHCP server answers: machines get no address here" interface=eth0 ` +
		`remedy="switch the network's DHCP server on, or let Boötes be it: \"dhcp: server\" and a range`
	rogue = ` noticed="our probe" remedy="two servers on one network give out clashing addresses, and wrong routes: find it by its MAC in the switches' tables, and switch it off"`
)

func TestWhatIsSaidOfOthers(t *testing.T) {
	type step struct {
		see  []sighting
		end  bool // of a probe
		want string
	}
	boots := server(2)
	boots.BootFile, boots.NextServer = "pxelinux.0", ip("10.77.0.9")
	ours := server(2)
	ours.BootFile, ours.NextServer = "snponly.efi", ourAddress
	for _, tt := range []struct {
		name  string
		mode  Mode
		auto  bool
		steps []step
	}{
		{"the site's server", ModeProxy, false, []step{
			{[]sighting{server(2)}, true, `level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 mode=proxy`},
			{[]sighting{server(2)}, true, ""},
		}},
		{"auto finds it", ModeProxy, true, []step{
			{[]sighting{server(2)}, true, `level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 mode="auto: a proxy"`},
		}},
		{"nobody, then somebody, then nobody", ModeProxy, true, []step{
			{nil, true, lonely + `; if one is there that answers none but clients that it knows: \"dhcp: proxy\""`},
			{nil, true, ""},
			{[]sighting{server(2)}, true, `level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 noticed="our probe" mode="auto: a proxy"`},
			{nil, true, ""},
			{nil, true, `level=WARN msg="DHCP server no longer answers" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 remedy="machines get no address until it is back"`},
			{nil, true, ""},
			{[]sighting{server(2)}, true, `level=INFO msg="DHCP server answers again" interface=eth0 server=10.77.0.2`},
		}},
		{"nobody beside a proxy", ModeProxy, false, []step{{[]sighting{proxyServer(3)}, true,
			`level=INFO msg="ProxyDHCP server found" interface=eth0 server=10.77.0.3 mac=02:00:00:00:00:03 mode=proxy` + "\n" + lonely + `"`}}},
		{"a pair", ModeProxy, false, []step{{[]sighting{server(2), server(3)}, true,
			`level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 mode=proxy` + "\n" +
				`level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.3 mac=02:00:00:00:00:03 mode=proxy` + "\n" +
				`level=WARN msg="several DHCP servers answer" interface=eth0 servers=2 remedy="if they are not meant to be a pair, switch one off"`}}},
		{"a second one", ModeProxy, false, []step{
			{[]sighting{server(2)}, true, `level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 mode=proxy`},
			{[]sighting{server(2), server(66)}, true, `level=WARN msg="another DHCP server has appeared" interface=eth0 server=10.77.0.66 mac=02:00:00:00:00:42` + rogue},
			{[]sighting{server(2), server(66)}, true, ""},
		}},
		{"one beside us as the server", ModeServer, false, []step{
			{nil, true, ""},
			{[]sighting{server(66)}, false, `level=WARN msg="another DHCP server has appeared" interface=eth0 server=10.77.0.66 mac=02:00:00:00:00:42` + rogue},
		}},
		{"a proxy beside us as the server", ModeServer, false, []step{
			{nil, true, ""},
			{[]sighting{proxyServer(66)}, false, `level=WARN msg="another ProxyDHCP server has appeared" interface=eth0 server=10.77.0.66 mac=02:00:00:00:00:42` +
				strings.Replace(rogue, "two servers on one network give out clashing addresses, and wrong routes", "machines take its word or ours on what to boot", 1)},
		}},
		{"ourselves", ModeServer, false, []step{{nil, true, ""}, {[]sighting{server(1)}, true, ""}}},
		{"it boots machines from elsewhere", ModeProxy, false, []step{{[]sighting{boots}, true,
			`level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 boot_file="pxelinux.0 from 10.77.0.9" mode=proxy` + "\n" +
				`level=WARN msg="the other server tells machines what to boot, too: they take its word or ours" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 ` +
				`boot_file="pxelinux.0 from 10.77.0.9" remedy="take its boot file out, or see ` + "`bootes dhcp-snippet --help`" + ` for what it should say"`}}},
		{"it boots machines from us", ModeProxy, false, []step{{[]sighting{ours}, true,
			`level=INFO msg="DHCP server found" interface=eth0 server=10.77.0.2 mac=02:00:00:00:00:02 boot_file="snponly.efi from 10.77.0.1" mode=proxy`}}},
	} {
		n, log := testOthers(tt.mode, tt.auto)
		now := time.Unix(1000, 0)
		for i, s := range tt.steps {
			start := now.Add(time.Second)
			now = start.Add(time.Second)
			for _, see := range s.see {
				n.saw(see, now)
			}
			if s.end {
				n.probed(start)
			}
			if got := log.next(); got != s.want {
				t.Errorf("%s, step %d:\n%s\nwant\n%s", tt.name, i, got, s.want)
			}
		}
	}
}

// A server that only clients name does not answer probes and is not missed.
func TestServerThatAnswersOnlyItsClients(t *testing.T) {
	n, log := testOthers(ModeProxy, true)
	if n.alone() {
		t.Error("alone before anybody has looked")
	}
	n.probed(time.Unix(1, 0))
	if !n.alone() || len(n.hurry) != 1 {
		t.Error("not alone, or in no hurry to know better")
	}
	n.saw(sighting{Rival: Rival{ServerID: ip("10.77.0.2"), Offered: ip("10.77.0.50")}, by: "a request of " + knownMAC}, time.Unix(2, 0))
	for i := range 5 {
		n.probed(time.Unix(int64(10+i), 0))
	}
	if n.alone() || n.rogue(ip("10.77.0.2")) {
		t.Error("the server that a client named is not counted, or for a rogue")
	}
	if got := log.next(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="DHCP server found" interface=eth0 server=10.77.0.2 noticed="a request of `+knownMAC+`"`) {
		t.Error(got)
	}
}

// A REQUEST to us, which most are, costs no question to the kernel.
func TestRequestToUsIsNobodyElse(t *testing.T) {
	l := testLink(serverConfig(), known(), newPool())
	l.others, _ = testOthers(ModeServer, false)
	l.others.ours = func(a netip.Addr) bool {
		t.Errorf("it was asked whether %v is ours", a)
		return true
	}
	ask(t, l, say{t: Request, serverID: "10.77.0.1", requested: "10.77.0.100"}.datagram())
}

func TestMadeUpServersAreBounded(t *testing.T) {
	n, log := testOthers(ModeServer, false)
	n.probed(time.Unix(1, 0))
	for i := 2; i < 200; i++ {
		n.saw(server(i), time.Unix(2, 0))
	}
	if len(n.list()) != maxOthers {
		t.Errorf("%d are kept", len(n.list()))
	}
	if got := strings.Count(log.next(), "somebody makes them up"); got != 1 {
		t.Errorf("the flood is named %d times", got)
	}
}

// TestMadeUpServersMakeRoom: what clients name may be made up. It does not keep us
// from seeing who is there, nor for ever from hearing of others.
func TestMadeUpServersMakeRoom(t *testing.T) {
	rumour := func(last int) sighting {
		s := server(last)
		s.probe = false
		return s
	}
	n, _ := testOthers(ModeServer, false)
	n.probed(time.Unix(1, 0))
	begin := time.Unix(2, 0)
	n.saw(server(2), begin)
	for i := range maxOthers - 1 {
		n.saw(rumour(100+i), begin.Add(time.Duration(i+1)*time.Second))
	}
	for _, step := range []struct {
		name string
		see  sighting
		at   time.Duration
		kept bool
		gone int // server that made room
	}{
		{"one more rumour", rumour(3), time.Minute, false, 0},
		{"one that answers our probe", server(4), time.Minute, true, 100},
		{"a rumour as long as the oldest is fresh", rumour(5), rumourTime, false, 0},
		{"a rumour later on", rumour(6), rumourTime + 2*time.Second, true, 101},
		{"and no more", rumour(7), rumourTime + 2*time.Second, false, 0},
	} {
		n.saw(step.see, begin.Add(step.at))
		if got := n.find(step.see.ServerID) != nil; got != step.kept {
			t.Errorf("%s: kept %t, want %t", step.name, got, step.kept)
		}
		if step.gone != 0 && n.find(server(step.gone).ServerID) != nil {
			t.Errorf("%s: 10.77.0.%d did not make room", step.name, step.gone)
		}
		if len(n.list()) != maxOthers || n.find(server(2).ServerID) == nil {
			t.Errorf("%s: %d are kept, and the one that is there: %t", step.name, len(n.list()), n.find(server(2).ServerID) != nil)
		}
	}
}

// TestServersThatHaveGoneMakeRoom for those that answer.
func TestServersThatHaveGoneMakeRoom(t *testing.T) {
	n, _ := testOthers(ModeServer, false)
	for i := range maxOthers {
		n.saw(server(100+i), time.Unix(1, 0))
	}
	n.saw(server(2), time.Unix(2, 0))
	if n.find(server(2).ServerID) != nil {
		t.Error("one that answers probes was forgotten for another")
	}
	for i := range goneAfter {
		n.probed(time.Unix(int64(3+i), 0))
	}
	n.saw(server(2), time.Unix(10, 0))
	if n.find(server(2).ServerID) == nil {
		t.Error("servers that have gone leave no room")
	}
}
