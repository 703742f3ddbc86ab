package dhcp

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// TestTwoInterfaces: one server gives addresses on two networks, each from its
// own address there, and takes back what a client releases.
func TestTwoInterfaces(t *testing.T) {
	nettest.Need(t, "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	nettest.Bridge(t, "br1", "10.88.0.1/24")
	second := InterfaceConfig{Name: "br1", Mode: ModeServer, Subnets: []Subnet{{
		Prefix: netip.MustParsePrefix("10.88.0.0/24"), Pools: poolOf("10.88.0.100", "10.88.0.199"), Router: ip("10.88.0.1"),
	}}}
	m, leases := known(), newPool()
	m.machines[unknownMAC] = Decision{Machine: "pc2", Hostname: "pc2", Serve: true}
	s := New(Options{Interfaces: []InterfaceConfig{serverConfig(), second}, Policy: m, Leases: leases, ProbeTime: 500 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	<-s.Ready()
	a, b := nettest.Join(t, "br0", knownMAC, ""), nettest.Join(t, "br1", unknownMAC, "")
	dhclient(t, a).expect(t, `DHCPACK of 10\.77\.0\.100 from 10\.77\.0\.1`, 1)
	client := dhclient(t, b)
	client.expect(t, `bound to 10\.88\.0\.100`, 1)
	out, err := b.Command(t.Context(), "dhclient", "-4", "-d", "-v", "-r", "-cf", "/dev/null",
		"-sf", "/bin/true", "-lf", filepath.Join(client.dir, "leases"), "-pf", filepath.Join(client.dir, "pid"), "eth0").CombinedOutput()
	if err != nil {
		t.Fatalf("dhclient -r: %v\n%s", err, out)
	}
	for end := time.Now().Add(5 * time.Second); leases.owner("10.88.0.100") != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not released:\n%s", out)
		}
	}
	if leases.owner("10.77.0.100") != knownMAC {
		t.Error("the lease on the other network went with it")
	}
}

func (p *pool) owner(a string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byAddr[ip(a)]
}

// TestTwoNetworksOnOneWire: who finds the first network full gets an address of
// the second, and reaches us by our address there.
func TestTwoNetworksOnOneWire(t *testing.T) {
	nettest.Need(t, "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	nettest.IP(t, "addr add 10.88.0.1/24 dev br0")
	c := serverConfig()
	c.Subnets[0].Pools = poolOf("10.77.0.100", "10.77.0.100")
	c.Subnets = append(c.Subnets, Subnet{Prefix: netip.MustParsePrefix("10.88.0.0/24"), Pools: poolOf("10.88.0.100", "10.88.0.100"), LeaseTime: 6 * time.Second})
	m := known()
	m.machines[unknownMAC] = Decision{Machine: "pc2", Hostname: "pc2", Serve: true}
	serveReal(t, c, m)
	dhclient(t, nettest.Join(t, "br0", knownMAC, "")).expect(t, `DHCPACK of 10\.77\.0\.100 from 10\.77\.0\.1`, 1)
	client := dhclient(t, nettest.Join(t, "br0", unknownMAC, ""))
	client.expect(t, `DHCPACK of 10\.88\.0\.100 from 10\.88\.0\.1`, 2)
	if !strings.Contains(client.String(), "DHCPREQUEST for 10.88.0.100 on eth0 to 10.88.0.1 port 67") {
		t.Errorf("it does not renew with us there:\n%s", client)
	}
}
