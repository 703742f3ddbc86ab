package dhcp

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// serveReal runs a server on br0 until the test ends and waits until it is ready.
func serveReal(t *testing.T, c InterfaceConfig, machines map[string]Decision) (*memory, *pool) {
	t.Helper()
	m := &memory{machines: machines, notify: make(chan sent, 100_000)}
	leases := newPool()
	s := New(Options{Interfaces: []InterfaceConfig{c}, Policy: m, Leases: leases, ProbeTime: time.Second})
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
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("not ready")
	}
	return m, leases
}

func TestManualQEMU(t *testing.T) {
	if os.Getenv("QEMU_MANUAL") == "" {
		t.Skip()
	}
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	c := serverConfig()
	foreign := os.Getenv("QEMU_MANUAL") == "proxy"
	if foreign {
		c = InterfaceConfig{Name: "br0", Mode: ModeProxy}
		dns := nettest.Join(t, "br0", "02:00:00:00:00:02", "10.77.0.2/24")
		cmd := dns.Command(t.Context(), "dnsmasq", "-d", "--port=0", "--conf-file=/dev/null", "--dhcp-range=10.77.0.50,10.77.0.90,1h", "--dhcp-leasefile=/dev/null", "--log-dhcp")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
	}
	m, _ := serveReal(t, c, map[string]Decision{"52:54:00:00:00:01": {Machine: "pc1", Hostname: "pc1", Serve: true, Boot: true, Filename: "undionly.kpxe"}})
	nettest.IP(t, "tuntap add tap0 mode tap")
	nettest.IP(t, "link set tap0 master br0 up")
	go func() {
		for x := range m.notify {
			t.Logf("%s port %d %s %s ipxe=%v uuid=%x class=%q -> %s %s %s boot=%v %q %v", x.q.Type, x.q.Port, x.q.MAC, x.q.Firmware, x.q.IPXE, x.q.UUID, x.q.VendorClass, x.r.Type, x.r.Addr, x.r.To, x.r.Boot, x.r.Reason, x.r.Err)
		}
	}()
	script := os.Getenv("QEMU_SCRIPT")
	cmd := nettestLocal(t.Context(), "sh", script)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	cmd.Run()
}

func nettestLocal(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}
