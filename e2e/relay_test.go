//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// behindRelay moves the computers to a wire of their own, 10.78.0.0/24, behind
// a router that relays DHCP to some servers.
//
//	br0 10.77.0.1 ── 10.77.0.8 router 10.78.0.1 ── br1 ── computers
func (f *fixture) behindRelay(servers ...string) *lab.Process {
	f.t.Helper()
	lab.Require(f.t, "dhcrelay", "tshark")
	router, err := f.Net.NewHost("52:54:00:00:00:08", netip.MustParseAddr("10.77.0.8"))
	if err != nil {
		f.t.Fatal(err)
	}
	here := func(cmd string) string {
		f.t.Helper()
		out, err := f.Net.Run(f.t.Context(), "sh", "-c", cmd)
		if err != nil {
			f.t.Fatal(err)
		}
		return string(out)
	}
	here("ip link add br1 type bridge && ip link set br1 up && ip route add 10.78.0.0/24 via 10.77.0.8")
	for _, tap := range strings.Fields(here("ip -o link show master br0 type tun | cut -d: -f2")) {
		here("ip link set " + tap + " master br1")
	}
	_, err = router.Run(f.t.Context(), "sh", "-c", "ip link add eth1 type veth peer name relay1 netns "+f.Net.Name()+
		" && ip addr add 10.78.0.1/24 dev eth1 && ip link set eth1 up && sysctl -qw net.ipv4.ip_forward=1")
	if err != nil {
		f.t.Fatal(err)
	}
	here("ip link set relay1 master br1 up")
	p, err := router.Start(lab.Program{Path: "dhcrelay", Args: append([]string{"-4", "-d", "-a", "-iu", "eth0", "-id", "eth1"}, servers...)})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// TestRelay boots both firmwares behind a relay: their addresses are of their
// own network, and their scripts reach them though the neighbour table knows
// the router alone.
func TestRelay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `
  - name: br0
    dhcp: server
    subnets:
      - {prefix: 10.78.0.0/24, range: 10.78.0.100-10.78.0.199, router: 10.78.0.1}
`)
	f.reachDisks("10.78.0.100", "10.78.0.199", "10.77.0.1")
}

// TestProxyBehindRelay: the relay sends to the site's DHCP server and to us.
func TestProxyBehindRelay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxyMode+"    subnets: [{prefix: 10.78.0.0/24}]\n")
	other, err := f.Net.NewHost("52:54:00:00:00:02", netip.MustParseAddr("10.77.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Run(t.Context(), "ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.8"); err != nil {
		t.Fatal(err)
	}
	lab.Require(t, "dnsmasq")
	_, err = other.Start(lab.Program{Path: "dnsmasq", Args: []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--log-dhcp", "--leasefile-ro", "--user=root", "--log-facility=-", "--pid-file=",
		"--dhcp-range=10.78.0.50,10.78.0.90,255.255.255.0,1h", "--dhcp-option=option:router,10.78.0.1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.reachDisks("10.78.0.50", "10.78.0.90", "10.77.0.1", "10.77.0.2")
}

// reachDisks boots a BIOS and a UEFI computer behind a relay until they have
// opened their disks.
func (f *fixture) reachDisks(first, last string, servers ...string) {
	f.t.Helper()
	guests := []*guest{
		f.guest("pc1", "52:54:00:00:00:01", api.Ephemeral, lab.BIOS),
		f.guest("pc2", "52:54:00:00:00:03", api.Ephemeral, lab.UEFI),
	}
	f.behindRelay(servers...)
	ctx, cancel := context.WithTimeout(f.t.Context(), stageTime)
	defer cancel()
	for _, g := range guests {
		if err := g.PowerOn(ctx); err != nil {
			f.t.Fatal(err)
		}
	}
	start := time.Now()
	for _, g := range guests {
		f.opened(ctx, g.Name())
		f.t.Logf("%5.0f s  %s has opened its disk", time.Since(start).Seconds(), g.Name())
		got := f.events(g.Name(), " 10.78.0.")
		if len(got) == 0 || !slices.ContainsFunc(got, func(text string) bool { return inRange(text, first, last) }) {
			f.t.Errorf("%s has no address of %s to %s: %q", g.Name(), first, last, got)
		}
		story, _ := f.story(g.Name())
		inOrder(f.t, story, []string{"DHCP Discover", "DHCP Offer", "GET /ipxe/", "HTTP/1.1 200 OK", "Login Command", "Login Response (Success)"})
	}
}

// opened waits until a machine reads its disk.
func (f *fixture) opened(ctx context.Context, machine string) {
	f.t.Helper()
	for {
		boots, err := f.Boots(ctx, machine)
		if err == nil && len(boots) > 0 && boots[0].Stage.After(recorder.StageLogin) {
			return
		}
		select {
		case <-ctx.Done():
			f.t.Fatalf("%s has not opened its disk:\n%s", machine, f.cli("boot", "log", machine))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// inRange reports whether one of a text's words is an address from first to last.
func inRange(text, first, last string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == ',' }), func(word string) bool {
		a, err := netip.ParseAddr(word)
		return err == nil && !a.Less(netip.MustParseAddr(first)) && !netip.MustParseAddr(last).Less(a)
	})
}
