package lab

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNetIsPrivate(t *testing.T) {
	n := New(t, NetOptions{Server: netip.MustParsePrefix("10.78.0.1/24")})
	out, err := n.Run(t.Context(), "ip", "-o", "-4", "addr", "show", "dev", Bridge)
	if err != nil || !strings.Contains(string(out), "10.78.0.1/24") {
		t.Errorf("bridge: %s, %v", out, err)
	}
	out, err = exec.Command("ip", "netns", "exec", n.Name(), "ip", "-o", "link").CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 2 {
		t.Errorf("the named namespace holds more or less than loopback and bridge: %s, %v", out, err)
	}
	var l net.Listener
	if err := n.Do(func() (err error) { l, err = net.Listen("tcp", "10.78.0.1:0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond); err == nil {
		c.Close()
		t.Error("a socket of the lab is reached from outside")
	}
	err = n.Do(func() error {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		t.Errorf("a socket of the lab is not reached from inside: %v", err)
	}
}

// TestNamesBesideIP has ip-netns(8) at work at the same time.
func TestNamesBesideIP(t *testing.T) {
	Require(t, "ip")
	n, err := NewNet(NetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other := newName()
	for _, verb := range []string{"add", "del"} {
		if out, err := exec.Command("ip", "netns", verb, other).CombinedOutput(); err != nil {
			t.Errorf("ip netns %s: %v: %s", verb, err, out)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(netnsDir, n.Name())); !os.IsNotExist(err) {
		t.Errorf("the name is left: %v", err)
	}
}

func TestNetCloseEndsAll(t *testing.T) {
	Require(t)
	n, err := NewNet(NetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(Program{Path: "sh", Args: []string{"-c", "sleep 1000 & echo $!; wait"}})
	if err != nil {
		t.Fatal(err)
	}
	var child string
	for range 200 {
		b, err := os.ReadFile(p.Log)
		if err != nil {
			t.Fatal(err)
		}
		if child = strings.TrimSpace(string(b)); child != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if child == "" {
		t.Fatal("the program did not start its child")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	for range 100 {
		if ended(child) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !ended(child) {
		t.Errorf("process %s outlived the network", child)
	}
	for _, path := range []string{filepath.Join(netnsDir, n.Name()), n.Dir()} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if err := n.Do(func() error { return nil }); err == nil {
		t.Error("a closed network runs functions")
	}
}

// ended tells whether a process is gone or a zombie that init has yet to reap.
func ended(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestKilledParentLeavesNothing kills a process that holds a lab, and looks what
// remains: the empty name, which the next lab removes.
func TestKilledParentLeavesNothing(t *testing.T) {
	if os.Getenv("LAB_TEST_CHILD") == "1" {
		holdLab(t)
		return
	}
	Require(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestKilledParentLeavesNothing$")
	cmd.Env = append(os.Environ(), "LAB_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	k, err := out.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(buf[:k]))
	if len(words) != 3 {
		t.Fatalf("the child says %q", buf[:k])
	}
	name, dir, pid := words[0], words[1], words[2]
	defer os.RemoveAll(dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for range 200 {
		if ended(pid) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !ended(pid) {
		t.Errorf("process %s outlived the lab's parent", pid)
	}
	sweepNames()
	if _, err := os.Lstat(filepath.Join(netnsDir, name)); !os.IsNotExist(err) {
		t.Errorf("namespace %s is left: %v", name, err)
	}
}

// holdLab is what the child does until it is killed.
func holdLab(t *testing.T) {
	n, err := NewNet(NetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(Program{Path: "sleep", Args: []string{"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(strings.Join([]string{n.Name(), n.Dir(), strconv.Itoa(p.Pid())}, " ") + "\n")
	<-t.Context().Done()
}

func TestProcessStop(t *testing.T) {
	n := New(t, NetOptions{})
	p, err := n.Start(Program{Path: "sh", Args: []string{"-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"}})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, p.Log, "ready")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	if p.Err() != nil {
		t.Errorf("ended with %v", p.Err())
	}
	deaf, err := n.Start(Program{Path: "sh", Args: []string{"-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"}, Log: "deaf.log"})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, deaf.Log, "ready")
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := deaf.Stop(short); err == nil {
		t.Error("no word of having killed it")
	}
	if err := syscall.Kill(deaf.Pid(), 0); err == nil {
		t.Error("it still runs")
	}
}

func TestRunShowsFailure(t *testing.T) {
	n := New(t, NetOptions{})
	_, err := n.Run(t.Context(), "sh", "-c", "echo the reason; exit 3")
	if err == nil || !strings.Contains(err.Error(), "the reason") || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("got %v", err)
	}
}

func waitFor(t *testing.T, file, text string) {
	t.Helper()
	for range 500 {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q never appeared in %s", text, file)
}
