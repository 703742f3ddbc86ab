package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"bootes.dev/internal/netif/nettest"
)

// strangersAt has these addresses in use, and notes which were asked for.
type strangersAt struct {
	used  []string
	asked []string
}

func (s *strangersAt) inUse(_ context.Context, a netip.Addr, onWire bool, _ string) string {
	s.asked = append(s.asked, fmt.Sprint(a, " ", onWire))
	if slices.Contains(s.used, a.String()) {
		return "aa:aa:aa:aa:aa:aa"
	}
	return ""
}

func looking(l *link, used ...string) *strangersAt {
	s := &strangersAt{used: used}
	l.conflicts = &conflicts{inUse: s.inUse, spawn: func(f func()) bool { f(); return true }}
	return s
}

func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		say    say
		used   []string
		want   string
		asked  string
		reason string
	}{
		{"free", say{t: Discover}, nil, "OFFER 10.77.0.100 ", "10.77.0.100 true", ""},
		{"in use", say{t: Discover}, []string{"10.77.0.100"}, "OFFER 10.77.0.101 ", "10.77.0.100 true, 10.77.0.101 true", ""},
		{"behind a relay", say{t: Discover, giaddr: "10.78.0.1"}, []string{"10.78.0.100"}, "OFFER 10.78.0.101 ", "10.78.0.100 false, 10.78.0.101 false", ""},
		{"too many", say{t: Discover}, []string{"10.77.0.100", "10.77.0.101", "10.77.0.102"}, "silence", "10.77.0.100 true, 10.77.0.101 true, 10.77.0.102 true",
			"3 addresses in a row are in use by strangers"},
		{"a REQUEST", say{t: Request, requested: "10.77.0.100"}, []string{"10.77.0.100"}, "ACK 10.77.0.100 ", "", ""},
	} {
		var log strings.Builder
		m, leases := known(), newPool()
		l := siteLink(m, leases)
		l.log = slog.New(slog.NewTextHandler(&log, nil))
		s := looking(l, tt.used...)
		p, to := askFrom(t, l, tt.say.datagram())
		if got := summary(p, to) + " "; !strings.HasPrefix(got, tt.want) || strings.Join(s.asked, ", ") != tt.asked {
			t.Errorf("%s: %s, asked %v", tt.name, got, s.asked)
		}
		checkSent(t, m, p, tt.reason)
		for _, a := range tt.used {
			if tt.asked != "" && (!leases.declined[ip(a)] || !strings.Contains(log.String(), "address="+a+" by=aa:aa:aa:aa:aa:aa")) {
				t.Errorf("%s: %s is not out of use, or the log does not say so: %s", tt.name, a, log.String())
			}
		}
		// It is asked for once, and not while it is being asked for.
		asked := len(s.asked)
		if askFrom(t, l, tt.say.datagram()); len(s.asked) != asked && tt.want != "silence" {
			t.Errorf("%s: asked again: %v", tt.name, s.asked)
		}
	}
}

// That an address which a person has kept is in use is told on the timelines, too.
func TestKeptAddressInUse(t *testing.T) {
	for kept, want := range map[string]string{
		"10.77.0.100": "the address 10.77.0.100, which is kept for pc1, is in use by aa:aa:aa:aa:aa:aa, so it is given another",
		"10.77.0.9":   "",
	} {
		m := known()
		d := m.machines[knownMAC]
		d.Address = ip(kept)
		m.machines[knownMAC] = d
		l := siteLink(m, newPool())
		told := ""
		l.others = newOthers(siteConfig(), l.log)
		l.others.warn = func(text string) { told += text }
		looking(l, "10.77.0.100")
		askFrom(t, l, say{t: Discover}.datagram())
		if !strings.HasPrefix(told, want) || want == "" && told != "" {
			t.Errorf("kept %s: told %q", kept, told)
		}
	}
}

func TestLookInProgress(t *testing.T) {
	m := known()
	l := siteLink(m, newPool())
	looking(l)
	var held func()
	l.conflicts.spawn = func(f func()) bool { held = f; return true }
	askFrom(t, l, say{t: Discover}.datagram())
	if len(m.sent) != 0 {
		t.Fatal("answered before it was known")
	}
	p, _ := askFrom(t, l, say{t: Discover}.datagram())
	checkReason(t, m, "this server looks first whether 10.77.0.100 is free")
	if held(); p != nil || len(m.sent) != 2 || m.sent[1].r.Type != Offer {
		t.Errorf("%+v", m.sent)
	}
	// In a storm addresses are offered without.
	l.conflicts.spawn = func(func()) bool { return false }
	if p, to := askFrom(t, l, say{t: Discover, giaddr: "10.78.0.1"}.datagram()); !strings.HasPrefix(summary(p, to), "OFFER 10.78.0.100") {
		t.Errorf("in a storm: %s", summary(p, to))
	}
	for range 2 * maxFree {
		l.conflicts.end(netip.AddrFrom4([4]byte{1, byte(len(l.conflicts.free) >> 8), byte(len(l.conflicts.free)), 0}), true)
	}
	if len(l.conflicts.free) > maxFree {
		t.Errorf("%d addresses are remembered", len(l.conflicts.free))
	}
}

func checkReason(t *testing.T, m *memory, want string) {
	t.Helper()
	if len(m.sent) == 0 || m.sent[len(m.sent)-1].r.Reason != want {
		t.Errorf("sent %+v, want reason %q", m.sent, want)
	}
}

func TestParseARP(t *testing.T) {
	good := `00 01 08 00 06 04 00 02  52 54 00 00 00 01  0a 4d 00 64  00 00 00 00 00 00  00 00 00 00`
	for name, tt := range map[string]struct{ hex, want string }{
		"reply":          {good, "10.77.0.100 52:54:00:00:00:01 true"},
		"padded":         {good + " 00 00 00", "10.77.0.100 52:54:00:00:00:01 true"},
		"a probe":        {strings.Replace(good, "0a 4d 00 64", "00 00 00 00", 1), "invalid IP 52:54:00:00:00:01 false"},
		"short":          {good[:60], "invalid IP  false"},
		"other hardware": {strings.Replace(good, "00 01", "00 06", 1), "invalid IP  false"},
		"IPv6":           {strings.Replace(good, "08 00", "86 dd", 1), "invalid IP  false"},
	} {
		if got := fmt.Sprintln(parseARP(unhex(t, tt.hex), nil)); got != tt.want+"\n" {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestParseEcho(t *testing.T) {
	from := &net.IPAddr{IP: net.IPv4(10, 78, 0, 100)}
	for hex, want := range map[string]bool{
		"00 00 12 34  ab cd  00 01": true, "00 00 12 34  ab ce  00 01": false, "08 00 12 34  ab cd  00 01": false,
		"00 01 12 34  ab cd  00 01": false, "00 00 12": false, "": false,
	} {
		if a, by, ok := parseEcho(unhex(t, hex), from, 0xabcd); ok != want || ok && (a != ip("10.78.0.100") || by != "10.78.0.100") {
			t.Errorf("%s: %v, %q, %v", hex, a, by, ok)
		}
	}
}

func FuzzNeighbours(f *testing.F) {
	f.Add(unhex(f, `00 01 08 00 06 04 00 02  52 54 00 00 00 01  0a 4d 00 64  00 00 00 00 00 00  00 00 00 00`))
	f.Add(unhex(f, `00 00 12 34  ab cd  00 01`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, _, ok := parseARP(b, nil); ok && !a.Is4() {
			t.Errorf("%v", a)
		}
		parseEcho(b, &net.IPAddr{IP: net.IPv4(10, 0, 0, 1)}, 0xabcd)
	})
}

// A host that has taken the first address by itself keeps it.
func TestStrangerOnTheWire(t *testing.T) {
	nettest.Need(t, "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.100/24")
	c := serverConfig()
	c.Probe = true
	serveReal(t, c, known())
	dhclient(t, nettest.Join(t, "br0", knownMAC, "")).expect(t, `bound to 10\.77\.0\.101 --`, 1)
}
