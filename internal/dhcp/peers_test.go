package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// serveReal runs a server until the test ends, and waits until it is ready.
func serveReal(t *testing.T, c InterfaceConfig, m *memory) {
	t.Helper()
	runReal(t, Options{Interfaces: []InterfaceConfig{c}, Policy: m, Leases: newPool(), ProbeTime: 500 * time.Millisecond})
}

func runReal(t *testing.T, o Options) *Server {
	t.Helper()
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("not ready")
	}
	return s
}

// program is a peer's program whose output a test reads while it runs.
type program struct {
	dir string // of its files
	mu  sync.Mutex
	out bytes.Buffer
	cmd *exec.Cmd
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs a command until the test ends.
func start(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{cmd: cmd}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *program) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// expect waits until the program's output has n matches of a pattern.
func (p *program) expect(t *testing.T, pattern string, n int) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if len(re.FindAllString(p.String(), -1)) >= n {
			return
		}
	}
	t.Fatalf("no %d × %q in:\n%s", n, pattern, p)
}

// dhclient starts ISC dhclient, with a script that only sets address and router.
func dhclient(t *testing.T, p *nettest.Peer) *program {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	os.WriteFile(script, []byte("#!/bin/sh\n[ -z \"$new_ip_address\" ] || ip addr replace $new_ip_address/24 dev $interface\n"+
		"[ -z \"$new_routers\" ] || ip route replace default via $new_routers\n"), 0o755)
	started := start(t, p.Command(t.Context(), "dhclient", "-4", "-d", "-v", "-cf", "/dev/null",
		"-sf", script, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "eth0"))
	started.dir = dir
	return started
}

func TestDhclientRenews(t *testing.T) {
	nettest.Need(t, "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	m := known()
	c := serverConfig()
	c.Subnets[0].LeaseTime = 6 * time.Second
	serveReal(t, c, m)
	stranger := dhclient(t, nettest.Join(t, "br0", unknownMAC, ""))
	client := dhclient(t, nettest.Join(t, "br0", knownMAC, ""))
	client.expect(t, `bound to 10\.77\.0\.100 --`, 2)
	if out := stranger.String(); !strings.Contains(out, "DHCPDISCOVER") || strings.Contains(out, "DHCPOFFER") {
		t.Errorf("a stranger's dhclient says:\n%s", out)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// It has no address yet that could answer ARP, and heard us all the same.
	if i := slices.IndexFunc(m.sent, func(s sent) bool { return s.r.Type == Offer }); i < 0 || m.sent[i].r.To.Addr() != ip("10.77.0.100") {
		t.Errorf("the offer was no unicast: %+v", m.sent)
	}
	for _, s := range m.sent {
		if s.q.CIAddr == ip("10.77.0.100") && s.r.Type == ACK && s.r.To.Addr() == s.q.CIAddr {
			return
		}
	}
	t.Errorf("no renewal was answered by unicast: %+v", m.sent)
}

// dnsmasq starts a DHCP server on a host of its own.
func dnsmasq(t *testing.T, bridge string) *program {
	t.Helper()
	p := nettest.Join(t, bridge, "02:00:00:00:00:02", "10.77.0.2/24")
	d := start(t, p.Command(t.Context(), "dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root",
		"--dhcp-range=10.77.0.50,10.77.0.60,1h", "--dhcp-leasefile=/dev/null", "--no-ping", "--log-dhcp", "--pid-file="))
	d.expect(t, `DHCP, IP range`, 1)
	time.Sleep(100 * time.Millisecond) // it says so before it listens
	return d
}

func TestRivalIsFound(t *testing.T) {
	nettest.Need(t, "dnsmasq")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	quiet, err := Probe(t.Context(), "br0", 300*time.Millisecond)
	if err != nil || len(quiet) != 0 {
		t.Fatalf("on an empty network: %v, %v", quiet, err)
	}
	dnsmasq(t, "br0")
	const asked = 3 * time.Second // three times
	rivals, err := Probe(t.Context(), "br0", asked)
	if err != nil || len(rivals) != 1 || rivals[0].Source != ip("10.77.0.2") || rivals[0].ServerID != ip("10.77.0.2") || rivals[0].Proxy() {
		t.Errorf("Probe: %+v, %v", rivals, err)
	}
	c := serverConfig()
	s := New(Options{Interfaces: []InterfaceConfig{c}, Policy: known(), Leases: newPool(), ProbeTime: asked})
	var rival *RivalError
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // else it serves
	defer cancel()
	if err := s.Run(ctx); !errors.As(err, &rival) || !strings.Contains(err.Error(), "10.77.0.2") {
		t.Errorf("Run beside a rival: %v", err)
	}
	c.Force = true
	serveReal(t, c, known())
}

// Behind dnsmasq an ordinary host gets dnsmasq's address and hears nothing of
// us, and firmware gets our boot offer as well.
func TestProxyBesideDnsmasq(t *testing.T) {
	nettest.Need(t, "dnsmasq", "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	m := known()
	m.machines["02:00:00:00:00:09"] = m.machines[knownMAC]
	serveReal(t, InterfaceConfig{Name: "br0", Mode: ModeProxy}, m)
	dnsmasq(t, "br0")
	client := dhclient(t, nettest.Join(t, "br0", "02:00:00:00:00:09", ""))
	client.expect(t, `bound to 10\.77\.0\.(5\d|60) --`, 1)
	if strings.Contains(client.String(), "from 10.77.0.1") {
		t.Errorf("dhclient heard us:\n%s", client)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) < 2 || m.decided != len(m.sent) {
		t.Errorf("%d Decide, %d Sent", m.decided, len(m.sent))
	}
	for _, s := range m.sent {
		if s.r.Type != 0 {
			t.Errorf("answered %+v", s)
		}
	}
}

func TestPerfdhcp(t *testing.T) {
	nettest.Need(t, "perfdhcp", "ping")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/16")
	c := InterfaceConfig{Name: "br0", Mode: ModeServer, Subnets: []Subnet{{Pools: []Pool{{ip("10.77.1.0"), ip("10.77.9.255")}}}}, ServeUnknown: true}
	serveReal(t, c, known())
	peer := nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/16")
	// Until ARP has found the relay, perfdhcp, the kernel drops our answers.
	if out, err := peer.Command(t.Context(), "ping", "-c1", "-w9", "10.77.0.1").CombinedOutput(); err != nil {
		t.Fatalf("ping: %v\n%s", err, out)
	}
	out, err := peer.Command(t.Context(), "perfdhcp", "-4", "-r", "200", "-R", "500", "-p", "3", "-W", "500000", "-l", "eth0", "10.77.0.1").CombinedOutput()
	if err != nil {
		t.Fatalf("perfdhcp: %v\n%s", err, out)
	}
	if drops := regexp.MustCompile(`drops: 0\n`).FindAll(out, -1); len(drops) < 2 {
		t.Errorf("perfdhcp lost packets:\n%s", out)
	}
	t.Logf("%s", out)
}

func TestRunRefusals(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	nettest.IP(t, "link add br1 type bridge")
	run := func(c InterfaceConfig) string {
		err := New(Options{Interfaces: []InterfaceConfig{c}, Policy: known()}).Run(t.Context())
		return fmt.Sprint(err)
	}
	if msg := run(InterfaceConfig{Name: "eth9"}); !strings.Contains(msg, `"eth9"`) || !strings.Contains(msg, "br0") {
		t.Errorf("missing interface: %s", msg)
	}
	if msg := run(InterfaceConfig{Name: "br1"}); !strings.Contains(msg, `"br1"`) || !strings.Contains(msg, "no IPv4 address") {
		t.Errorf("interface without address: %s", msg)
	}
	c, err := net.ListenPacket("udp4", ":4011")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if msg := run(InterfaceConfig{Name: "br0"}); !strings.Contains(msg, "port 4011 is taken by dhcp.test (pid ") {
		t.Errorf("port taken: %s", msg)
	}
}
