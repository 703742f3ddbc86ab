package capture

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

const secret = "correct-horse-battery"

// A real client asks real servers for an address, a loader and a script.
func TestRealWire(t *testing.T) {
	nettest.Need(t, "dnsmasq", "dhclient", "atftp", "curl", "tshark")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	peer := nettest.Join(t, "br0", pc.String(), "")
	o := options(t.TempDir())
	o.Interfaces = []string{"br0", "none0"}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	serveOthers(t)

	dir := t.TempDir()
	client := func(name string, args ...string) string {
		out, err := peer.Command(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return string(out)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ $reason != BOUND ] || ip addr add $new_ip_address/24 dev eth0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dhclient := peer.Command(t.Context(), "dhclient", "-4", "-d", "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "-sf", script, "eth0")
	if err := dhclient.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(client("ip", "-4", "addr", "show", "eth0"), "10.77.0.1"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("dhclient has got no address")
		}
	}
	dhclient.Process.Kill()
	dhclient.Wait()
	client("atftp", "--get", "-r", "loader", "-l", filepath.Join(dir, "loader"), "10.77.0.1")
	if got := client("curl", "-sS", "http://10.77.0.1/ipxe/52-54-00-00-00-01"); !strings.Contains(got, secret) {
		t.Errorf("the script is %q", got)
	}
	client("sh", "-c", "curl -sS --max-time 2 http://10.77.0.1:3260/ || true")
	time.Sleep(100 * time.Millisecond) // for what is under way in the kernel
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	path := filepath.Join(o.Dir, fileName(pc)) // what a server that ends leaves
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), secret) {
		t.Error("the script's secret is kept")
	}
	decoded, err := exec.Command("tshark", "-n", "-r", path).CombinedOutput()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, decoded)
	}
	story := string(decoded)
	t.Logf("what tshark reads:\n%s", story)
	at := 0
	for _, want := range []string{
		"DHCP Discover", "DHCP Offer", "DHCP Request", "DHCP ACK", "Read Request, File: loader", "Data Packet, Block: 1", "(last)",
		"[SYN]", "GET /ipxe/52-54-00-00-00-01", "HTTP/1.1 200 OK", "[RST, ACK]",
	} {
		i := strings.Index(story[at:], want)
		if i < 0 {
			t.Fatalf("no %q, or not in order, in\n%s", want, story)
		}
		at += i
	}
	if !strings.Contains(story, "Who has 10.77.0.1") || strings.Count(story, "Data Packet") > 4 {
		t.Errorf("without ARP, or with all of TFTP's blocks:\n%s", story)
	}
}

// serveOthers runs dnsmasq for addresses and TFTP, and HTTP.
func serveOthers(t *testing.T) {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "loader"), make([]byte, 100000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	dnsmasq := exec.Command("dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--interface=br0", "--bind-interfaces",
		"--dhcp-range=10.77.0.100,10.77.0.110", "--leasefile-ro", "--no-ping", "--enable-tftp", "--tftp-root="+root)
	dnsmasq.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := dnsmasq.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dnsmasq.Process.Kill(); dnsmasq.Wait() })
	l, err := net.Listen("tcp4", "10.77.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "#!ipxe\nset password %s\n", secret)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

// More packets than there are slots, and then more than are looked at: who comes
// after the flood is heard again.
func TestFloodOnTheWire(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.Join(t, "br0", pc.String(), "") // so that it has a carrier
	o := options(t.TempDir())
	o.Interfaces = []string{"br0"}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("udp4", "10.77.0.255:67")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(mac MAC) {
		if _, err := conn.Write(dhcp(mac, 7, 53, 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	heard := func(mac MAC) bool {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if c.count(mac) > 0 {
				return true
			}
		}
		return false
	}
	for i := range slotCount + 10 { // as fast as they are looked at
		say(numbered(i))
		if i%50 == 0 && !heard(numbered(i)) {
			t.Fatalf("packet %d is not there", i)
		}
	}
	for range 5000 {
		say(numbered(0))
	}
	last := numbered(9999)
	say(last)
	time.Sleep(2 * paceTime)
	for range 3 { // the first may find no slot
		say(last)
		time.Sleep(paceTime)
	}
	if !heard(last) {
		t.Error("after the flood nobody is heard")
	}
	stats, err := c.wires[0].conn.Stats()
	if err != nil || stats.Drops == 0 {
		t.Errorf("%v, %v: there was no flood", stats, err)
	}
}
