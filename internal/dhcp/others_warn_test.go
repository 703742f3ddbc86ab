package dhcp

import (
	"strings"
	"testing"
	"time"
)

// TestBootsAreWarned: what goes wrong on a network is told to the boots there.
func TestBootsAreWarned(t *testing.T) {
	const remedy = "Remedy: find it by its MAC in the switches' tables, and switch it off"
	boots := server(66)
	boots.BootFile, boots.NextServer = "pxelinux.0", ip("10.77.0.9")
	for name, tt := range map[string]struct {
		mode  Mode
		first []sighting
		late  []sighting
		want  string
	}{
		"nobody": {ModeProxy, nil, nil, "no DHCP server answers: machines get no address. Remedy: switch the network's DHCP server on, or let Boötes be it: \"dhcp: server\" and a range"},
		"two":    {ModeProxy, []sighting{server(2), server(3)}, nil, "2 DHCP servers answer. Remedy: if they are not meant to be a pair, switch one off; `bootes dhcp-status` shows them"},
		"rogue": {ModeServer, nil, []sighting{server(66)},
			"another DHCP server 10.77.0.66 (MAC 02:00:00:00:00:42) has appeared: two servers on one network give out clashing addresses, and wrong routes. " + remedy},
		"proxy": {ModeServer, nil, []sighting{proxyServer(66)},
			"another ProxyDHCP server 10.77.0.66 (MAC 02:00:00:00:00:42) has appeared: machines take its word or ours on what to boot. " + remedy},
		"boots": {ModeProxy, []sighting{boots}, nil, "DHCP server 10.77.0.66 (MAC 02:00:00:00:00:42) tells machines what to boot, too (pxelinux.0): they take its word or ours. " +
			"Remedy: take its boot file out, or see `bootes dhcp-snippet --help` for what it should say"},
		"fine": {ModeProxy, []sighting{server(2)}, nil, ""},
	} {
		n, _ := testOthers(tt.mode, false)
		var told []string
		n.warn = func(text string) { told = append(told, text) }
		for _, s := range tt.first {
			n.saw(s, time.Now())
		}
		n.probed(time.Now())
		for _, s := range tt.late {
			n.saw(s, time.Now())
		}
		if got := strings.Join(told, "; "); got != tt.want {
			t.Errorf("%s: boots are told\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}
