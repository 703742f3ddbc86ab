// Package nettest gives tests private networks: a test runs itself again in a
// child process inside a new network namespace, and puts real clients and
// servers into further namespaces that hang on a bridge there.
//
//	test's namespace (Enter)
//	   bridge ── veth ── eth0 in a peer's namespace (Join)
//	          ── veth ── eth0 in another's
//
// The namespaces have no names. Each lives as long as a process in it, and all
// of them end with the test, however it ends.
package nettest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/needs"
)

// inside marks the child process.
const inside = "BOOTES_NETTEST"

// Need skips the test when a program is missing, naming it; with CI=true the
// test fails instead.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		needs.Program(t, p, "a package of scripts/packages.txt")
	}
}

// Enter runs the calling test in a new network namespace. In the outer process
// it returns false once that run has ended, with its outcome taken over; the
// test returns at once. In the inner process it returns true, with loopback up.
func Enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		IP(t, "link set lo up")
		return true
	}
	needs.Root(t, "make a network namespace")
	Need(t, "ip", "nsenter")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in its namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("in its namespace:\n%s", out)
	default:
		t.Logf("in its namespace:\n%s", out)
	}
	return false
}

// IP runs the command ip with the words of args.
func IP(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// Bridge makes a bridge with an address, "10.77.0.1/24".
func Bridge(t testing.TB, name, prefix string) {
	t.Helper()
	IP(t, "link add "+name+" type bridge")
	IP(t, "addr add "+prefix+" dev "+name)
	IP(t, "link set "+name+" up")
}

// Peer is another host: a namespace with one interface, eth0.
type Peer struct{ pid int }

var peers int

// Join makes a host on a bridge, with a MAC and, unless it is "", an address.
func Join(t testing.TB, bridge, mac, prefix string) *Peer {
	t.Helper()
	holder := exec.Command("sleep", "600")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	p := &Peer{pid: holder.Process.Pid}
	p.ip(t, "link set lo up")
	p.plug(t, bridge, "eth0", mac, prefix)
	return p
}

// Router makes of a host a router between its network and another bridge, on
// which its eth1 has an address.
func (p *Peer) Router(t testing.TB, bridge, mac, prefix string) {
	t.Helper()
	p.plug(t, bridge, "eth1", mac, prefix)
	if out, err := p.Command(t.Context(), "sysctl", "-qw", "net.ipv4.ip_forward=1").CombinedOutput(); err != nil {
		t.Fatalf("sysctl: %v: %s", err, out)
	}
}

func (p *Peer) plug(t testing.TB, bridge, name, mac, prefix string) {
	t.Helper()
	peers++
	port := fmt.Sprintf("port%d", peers)
	IP(t, fmt.Sprintf("link add %s type veth peer name %s address %s netns %d", port, name, mac, p.pid))
	IP(t, "link set "+port+" master "+bridge+" up")
	p.ip(t, "link set "+name+" up")
	if prefix != "" {
		p.ip(t, "addr add "+prefix+" dev "+name)
	}
}

func (p *Peer) ip(t testing.TB, args string) {
	t.Helper()
	if out, err := p.Command(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// Command prepares a program to run on the peer. It is killed when ctx ends
// and when the test process dies.
func (p *Peer) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	args = append([]string{"-t", strconv.Itoa(p.pid), "-n", "--", name}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
