package netif

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

func TestInterfaces(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.IP(t, "addr add 10.88.0.1/16 dev br0")
	nettest.IP(t, "link add br1 type bridge")

	br0, err := ByName("br0")
	if err != nil {
		t.Fatal(err)
	}
	if !br0.Up || br0.Index == 0 || len(br0.MAC) != 6 || br0.MTU != 1500 {
		t.Errorf("br0: %+v", br0)
	}
	for client, want := range map[string]string{
		"10.77.0.9": "10.77.0.1/24", "10.88.3.4": "10.88.0.1/16", "192.0.2.1": "10.77.0.1/24",
	} {
		if got, ok := br0.IPv4For(netip.MustParseAddr(client)); !ok || got.String() != want {
			t.Errorf("address for %s: %v, want %s", client, got, want)
		}
	}
	br1, err := ByName("br1")
	if err != nil || br1.Up {
		t.Errorf("br1: %+v, %v", br1, err)
	}
	if a, ok := br1.IPv4(); ok {
		t.Errorf("br1 has %v", a)
	}
	_, err = ByName("eth7")
	if !errors.Is(err, ErrNotExist) || !strings.Contains(err.Error(), `"eth7"`) || !strings.Contains(err.Error(), "br0, br1") {
		t.Errorf("ByName(eth7): %v", err)
	}
	if list, err := List(); err != nil || len(list) != len(Names()) {
		t.Errorf("List: %v, %v", list, err)
	}
}

func TestMACOf(t *testing.T) {
	nettest.Need(t, "ping")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	peer := nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	nine, ten := netip.MustParseAddr("10.77.0.9"), netip.MustParseAddr("10.77.0.10")
	if mac, ok := MACOf(ctx, "br0", nine); ok {
		t.Errorf("a host never heard of has MAC %v", mac)
	}
	if out, err := peer.Command(ctx, "ping", "-c1", "10.77.0.1").CombinedOutput(); err != nil {
		t.Fatalf("ping: %v: %s", err, out)
	}
	for _, ifname := range []string{"br0", ""} {
		if mac, ok := MACOf(ctx, ifname, nine); !ok || mac.String() != "02:00:00:00:00:09" {
			t.Errorf("MACOf(%q) = %v, %v", ifname, mac, ok)
		}
	}
	if _, ok := MACOf(ctx, "lo", nine); ok {
		t.Error("found on the wrong interface")
	}
	resolve(t, ten)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if mac, ok := MACOf(short, "br0", ten); ok {
		t.Errorf("a host that does not exist has MAC %v", mac)
	}
}

// resolve makes the kernel ask for an address.
func resolve(t *testing.T, ip netip.Addr) {
	c, err := net.Dial("udp4", netip.AddrPortFrom(ip, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte{0})
}

func TestPortHolder(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	comm, _ := os.ReadFile("/proc/self/comm")
	self := strings.TrimSpace(string(comm))
	udpPort, tcpPort := udp.LocalAddr().(*net.UDPAddr).AddrPort().Port(), tcp.Addr().(*net.TCPAddr).AddrPort().Port()
	for _, tt := range []struct {
		network, addr string
		port          uint16
		want          bool
	}{
		{"udp", "127.0.0.1", udpPort, true},
		{"udp4", "0.0.0.0", udpPort, true},
		{"udp", "127.0.0.2", udpPort, false},
		{"udp", "127.0.0.1", 1, false},
		{"tcp", "127.0.0.1", tcpPort, true}, // the wildcard listener has it
		{"tcp", "::1", tcpPort, true},
	} {
		name, pid, ok := PortHolder(tt.network, netip.AddrPortFrom(netip.MustParseAddr(tt.addr), tt.port))
		if ok != tt.want || ok && (pid != os.Getpid() || name != self) {
			t.Errorf("PortHolder(%s, %s:%d) = %q, %d, %v", tt.network, tt.addr, tt.port, name, pid, ok)
		}
	}
}

func TestBindError(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	_, err = net.ListenPacket("udp4", addr.String())
	got := BindError("udp", addr, err)
	if !errors.Is(got, syscall.EADDRINUSE) || !strings.Contains(got.Error(), "is taken by netif.test (pid ") {
		t.Errorf("BindError: %v", got)
	}
	if other := errors.New("other"); BindError("udp", addr, other) != other {
		t.Error("another error was changed")
	}
}

// A /proc whose owner of the socket is gone names nobody.
func TestPortHolderWithoutOwner(t *testing.T) {
	proc := t.TempDir()
	os.Mkdir(filepath.Join(proc, "net"), 0o755)
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"  7: 0100007F:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2\n" +
		"  8: garbage\n  9: zz:zz 0 0 0 0 0 0 0 1\n"
	os.WriteFile(filepath.Join(proc, "net", "udp"), []byte(table), 0o644)
	if name, pid, ok := portHolder(proc, "udp", netip.MustParseAddrPort("127.0.0.1:69")); ok {
		t.Errorf("found %s %d", name, pid)
	}
	os.MkdirAll(filepath.Join(proc, "77", "fd"), 0o755)
	os.Symlink("socket:[4242]", filepath.Join(proc, "77", "fd", "3"))
	os.WriteFile(filepath.Join(proc, "77", "comm"), []byte("dnsmasq\n"), 0o644)
	if name, pid, ok := portHolder(proc, "udp", netip.MustParseAddrPort("0.0.0.0:69")); !ok || name != "dnsmasq" || pid != 77 {
		t.Errorf("PortHolder = %q, %d, %v", name, pid, ok)
	}
}
