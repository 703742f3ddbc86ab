package dhcp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// TestRelays: behind relays of two makes, one of which names the network by link
// selection (RFC 3527), a client gets an address of its own
// network, past one that a stranger uses there, and renews it through the
// router; its lease on another network waits for it.
//
//	br0 10.77.0.1 ── 10.77.0.8 relay 10.78.0.1 ── br1 ── client
func TestRelays(t *testing.T) {
	nettest.Need(t, "dhcrelay", "dnsmasq", "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	for _, br := range []string{"br1", "br2", "br3"} {
		nettest.IP(t, "link add "+br+" type bridge")
		nettest.IP(t, "link set "+br+" up")
	}
	c := siteConfig()
	c.Subnets = c.Subnets[:3]
	c.Subnets[2] = Subnet{Prefix: netip.MustParsePrefix("10.79.0.0/24"), Pools: poolOf("10.79.0.100", "10.79.0.199"), Router: ip("10.79.0.1")}
	c.Subnets = append(c.Subnets, Subnet{Prefix: netip.MustParsePrefix("10.80.0.0/24"), Pools: poolOf("10.80.0.100", "10.80.0.199"), Router: ip("10.80.0.1")})
	c.Probe = true
	for i := range c.Subnets {
		c.Subnets[i].LeaseTime = 6 * time.Second
	}
	m := known()
	serveReal(t, c, m)
	for i, relay := range []struct {
		name    string
		command []string
		giaddr  string
	}{
		{"dhcrelay", []string{"dhcrelay", "-4", "-d", "-a", "-m", "discard", "-iu", "eth0", "-id", "eth1", "10.77.0.1"}, "10.78.0.1"},
		{"dnsmasq", []string{"dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--log-dhcp",
			"--dhcp-relay=10.79.0.1,10.77.0.1"}, "10.79.0.1"},
		{"dhcrelay that selects the link", []string{"dhcrelay", "-4", "-d", "-a", "-m", "discard", "-U", "eth0", "-id", "eth1", "10.77.0.1"}, "10.77.0.10"},
	} {
		br, n := fmt.Sprint("br", i+1), 78+i
		net := fmt.Sprint("10.", n, ".0.")
		p := nettest.Join(t, "br0", fmt.Sprintf("02:00:00:00:00:8%d", i), fmt.Sprintf("10.77.0.%d/24", 8+i))
		p.Router(t, br, fmt.Sprintf("02:00:00:00:01:8%d", i), net+"1/24")
		nettest.IP(t, fmt.Sprintf("route add %s0/24 via 10.77.0.%d", net, 8+i))
		started := start(t, p.Command(t.Context(), relay.command[0], relay.command[1:]...))
		started.expect(t, `Sending on   Socket|DHCP relay from`, 1)
		stranger := nettest.Join(t, br, "02:00:00:00:00:99", net+"100/24")
		if out, err := stranger.Command(t.Context(), "ip", "route", "add", "default", "via", net+"1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		client := dhclient(t, nettest.Join(t, br, knownMAC, ""))
		client.expect(t, `bound to 10\.`+fmt.Sprint(n)+`\.0\.101 --`, 2)
		renewed, agent := false, false
		m.mu.Lock()
		for _, s := range m.sent {
			renewed = renewed || s.r.Type == ACK && s.q.CIAddr == s.r.To.Addr() && s.q.CIAddr == ip(net+"101")
			agent = agent || s.r.Type == Offer && s.r.To.Addr() == ip(relay.giaddr) && s.q.Relay == ip(relay.giaddr)
		}
		m.mu.Unlock()
		if !renewed || !agent {
			t.Errorf("%s: renewed %v, offered through the relay %v: %s\n%s", relay.name, renewed, agent, client, started)
		}
		if bytes.Contains([]byte(started.String()), []byte("bad")) {
			t.Errorf("%s does not like our option 82:\n%s", relay.name, started)
		}
	}
	if out, err := exec.Command("ip", "neigh").CombinedOutput(); err != nil || bytes.Contains(out, []byte("10.78.0.")) {
		t.Errorf("a client behind a relay was looked for on our wire: %v\n%s", err, out)
	}
}
