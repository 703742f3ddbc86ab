//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/load"
	"bootes.dev/internal/lab/room"
)

// TestFlood: while made-up clients ask for more than there is, and more often
// than can be answered, a room of machines comes from DISCOVER to its scripts.
func TestFlood(t *testing.T) {
	lab.Require(t, "perfdhcp")
	f := prepare(t, `
  - name: br0
    dhcp: server
    range: 10.77.0.100-10.77.0.199
    serve_unknown: true
    conflicts: off
`)
	f.serve()
	disk := filepath.Join(f.dataDir, "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f.cli("image", "import", imageRef, disk)
	const machines = 40
	for n := range machines {
		f.cli("machine", "add", fmt.Sprintf("pc%02d", n), "--mac", room.MAC(n), "--image", imageRef, "--ephemeral")
	}
	tool := labTool(t)
	host := func(mac, addr string) *lab.Host {
		h, err := f.Net.NewHost(mac, netip.MustParseAddr(addr))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	hall, attacker := host("52:54:00:00:00:fd", "10.77.0.253"), host("52:54:00:00:00:fe", "10.77.0.254")

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = attacker.Run(ctx, "perfdhcp", "-4", "-r", "100000", "-R", "1000000", "-p", "120", "-l", "eth0", "10.77.0.1")
	}()
	defer func() { cancel(); <-ended }()
	time.Sleep(2 * time.Second) // by now the strangers have what they can get

	o, err := json.Marshal(room.Options{Card: "eth0", Server: netip.MustParseAddr("10.77.0.1"), Machines: machines})
	if err != nil {
		t.Fatal(err)
	}
	out, err := hall.Run(t.Context(), tool, "room", string(o))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r room.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Booted != machines {
		t.Errorf("%d of %d machines have their script: %q", r.Booted, machines, r.Faults)
	}
	t.Logf("in the flood: all scripts after %v, p50 %v", r.Took, r.P50)
	memory, err := load.Resident(f.Server().Pid())
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("the server has %d MiB", memory>>20); memory > 384<<20 {
		t.Error("that is too much for some strangers")
	}
	waitUntil(t, "the log to name the flood", func() bool { return f.logged("flood of DHCP messages") > 0 })
	time.Sleep(2 * time.Second) // for it to be named again
	if n := f.logged("flood of DHCP messages"); n != 1 {
		t.Errorf("the log names the flood %d times", n)
	}
	if n := f.logged("\n"); n > 30 {
		t.Errorf("%d lines of log", n)
	}
}

// labTool builds the program that the lab's computers run.
func labTool(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", tool, "../cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("build lab: %v: %s", err, out)
	}
	return tool
}
