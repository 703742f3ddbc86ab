package lab

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// hang has TestWatchdog hang on purpose.
const hang = "BOOTES_LAB_HANG"

// TestWatchdog runs itself as a test that waits for ever for programs of its network.
func TestWatchdog(t *testing.T) {
	if os.Getenv(hang) != "" {
		hangs(t)
		return
	}
	Require(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestWatchdog$", "-test.v")
	cmd.Env = append(os.Environ(), hang+"=1", "TMPDIR="+t.TempDir())
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err == nil || ctx.Err() != nil || !strings.Contains(out, "--- FAIL: TestWatchdog ") {
		t.Fatalf("a test that hangs ends with %v:\n%s", err, out)
	}
	for _, want := range []string{
		"watchdog.go:", "TestWatchdog has not ended within 300ms: its programs are killed",
		"The end of sh.log:", "it hangs", // the log
		"watchdog_test.go:", "lab.hangs(", "lab.(*Host).Run(", // where it hangs
		"goes on: signal: killed",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the test does not say %q:\n%s", want, out)
		}
	}
}

func hangs(t *testing.T) {
	n := New(t, NetOptions{Within: 300 * time.Millisecond})
	p, err := n.Start(Program{Path: "sh", Args: []string{"-c", "echo it hangs; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := n.NewHost("52:54:00:00:00:02", netip.MustParseAddr("10.77.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is started later is killed, too
		if _, err := h.Run(context.Background(), "sleep", "1000"); err == nil {
			t.Error("a program was not killed")
		}
	}
	<-p.Done()
	t.Log("goes on:", p.Err())
}

// TestWatchdogLeavesOthers: it ends nobody else's programs.
func TestWatchdogLeavesOthers(t *testing.T) {
	n, other := New(t, NetOptions{}), New(t, NetOptions{})
	start := func(n *Net) *Process {
		p, err := n.Start(Program{Path: "sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	mine, theirs := start(n), start(other)
	n.killAll()
	<-mine.Done()
	select {
	case <-theirs.Done():
		t.Error("a program of another network was killed")
	case <-time.After(100 * time.Millisecond):
	}
}
