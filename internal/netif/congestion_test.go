package netif

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bootes.dev/internal/needs"
	"bootes.dev/internal/netif/nettest"
	"golang.org/x/sys/unix"
)

// sysctl sets what the system's default is, in the test's namespace.
func sysctl(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("sysctl", "-qw", "net.ipv4.tcp_congestion_control="+name).CombinedOutput(); err != nil {
		needs.Skip(t, "needs %s in the kernel: %s", name, out)
	}
}

func listenLoopback(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accepted is the congestion control of a connection that l accepts.
func accepted(t *testing.T, l net.Listener) string {
	t.Helper()
	peer, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return congestion(c.(*net.TCPConn))
}

func TestUnpaced(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	sysctl(t, "bbr")
	l, instead := Unpaced(listenLoopback(t))
	if instead != "cubic" && instead != "reno" {
		t.Errorf("instead of BBR: %q", instead)
	}
	if got := accepted(t, l); got != instead {
		t.Errorf("a machine nearby is sent to by %q, want %q", got, instead)
	}
	far := l.(nearListener)
	far.near = -1
	if got := accepted(t, far); got != "bbr" {
		t.Errorf("a peer far away is sent to by %q, want BBR", got)
	}
	nettest.IP(t, "route replace local 127.0.0.1 dev lo table local congctl reno")
	far.instead = "cubic"
	if got := accepted(t, far); got != "reno" {
		t.Errorf("where the route names Reno, a peer is sent to by %q", got)
	}
}

func TestUnpacedLeavesOthersAlone(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	sysctl(t, "reno")
	l := listenLoopback(t)
	if got, instead := Unpaced(l); got != net.Listener(l) || instead != "" {
		t.Errorf("with Reno as the default: %T, %q", got, instead)
	}
	sysctl(t, "bbr")
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	if got, instead := Unpaced(unix); got != unix || instead != "" {
		t.Errorf("without TCP: %T, %q", got, instead)
	}
}

// TestUnpacedWithoutRights drops what serve does not have, either.
func TestUnpacedWithoutRights(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	sysctl(t, "bbr")
	allowed, err := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
	if err != nil {
		t.Fatal(err)
	}
	want := "reno"
	if strings.Contains(string(allowed), "cubic") {
		want = "cubic"
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &make([]unix.CapUserData, 2)[0]); err != nil {
		t.Fatal(err)
	}
	l, instead := Unpaced(listenLoopback(t))
	if got := accepted(t, l); instead != want || got != want {
		t.Errorf("allowed are %q: chosen %q, and a machine is sent to by %q", allowed, instead, got)
	}
}

func TestCongestionThatIsNot(t *testing.T) {
	l := listenLoopback(t)
	if got := setCongestion(l, []string{"no such", "reno"}); got != "reno" {
		t.Errorf("Reno after one that does not exist: %q", got)
	}
	if got := setCongestion(l, []string{"no such"}); got != "" {
		t.Errorf("one that does not exist: %q", got)
	}
	if got := accepted(t, l); got != "reno" {
		t.Errorf("a connection has %q", got)
	}
}
