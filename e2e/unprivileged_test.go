//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/lab"
)

// lacksRights is what somebody who is not root is told.
const lacksRights = "bootes serve lacks CAP_NET_BIND_SERVICE (ports below 1024: DHCP, TFTP, HTTP) and " +
	"CAP_NET_RAW (Ethernet frames to and from machines that have no address yet): " +
	"start it by its unit, which gives them (systemctl start bootes), or run it with sudo"

// rightsOf is a command line that gives a program a user, and the capabilities
// of a unit and no others, as systemd would.
func rightsOf(t *testing.T, unit, user string) []string {
	t.Helper()
	value := func(key string) string {
		m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit)
		if m == nil {
			t.Fatalf("the unit has no %s", key)
		}
		return m[1]
	}
	caps := func(key string) string {
		set := "-all"
		for _, name := range strings.Fields(value(key)) {
			set += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
		}
		return set
	}
	ambient := caps("AmbientCapabilities")
	return []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "--no-new-privs",
		"--inh-caps=" + ambient, "--ambient-caps=" + ambient, "--bounding-set=" + caps("CapabilityBoundingSet")}
}

// TestUnprivileged boots a machine from a server that has the unit's
// capabilities and no others, under another user, beside another DHCP server;
// and root's commands pass it files and pipes that it may not open itself.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap", "qemu-img", "setpriv", "dnsmasq", "sh", "tshark")
	unit, err := os.ReadFile("../dist/bootes.service")
	if err != nil {
		t.Fatal(err)
	}
	const uid, user = 64987, "64987"
	f := prepare(t, autoMode)
	f.otherServer("52:54:00:00:00:02", "10.77.0.2", "10.77.0.50", "10.77.0.90")
	for _, path := range []string{f.dataDir, f.Net.Dir(), f.Config} {
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{filepath.Dir(program), filepath.Dir(f.dataDir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.As = rightsOf(t, string(unit), user)
	f.serve()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(f.Server().Pid()) + "/status")
	if err != nil || !regexp.MustCompile(`(?m)^Uid:\s+`+user).Match(status) || !regexp.MustCompile(`(?m)^CapEff:\s+0*2400$`).Match(status) {
		t.Errorf("the server has other rights than the unit gives: %v\n%s", err, status)
	}

	private := t.TempDir() // root's alone
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	qcow2 := filepath.Join(private, "golden.qcow2")
	f.tool("qemu-img", "convert", "-O", "qcow2", golden, qcow2)
	f.tool("chmod", "600", qcow2)
	f.cli("image", "import", imageRef, qcow2, "--identity")

	const mac = "52:54:00:00:00:01"
	f.cli("machine", "add", "pc1", "--mac", mac, "--image", imageRef)
	pc := f.computer(lab.GuestOptions{Name: "pc1", MAC: mac, PlainROM: true})
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	f.waitFor(ctx, "pc1", "script made")
	f.waitFor(ctx, "pc1", "first read")
	f.waitFor(ctx, "pc1", "first write") // of iPXE nobody can tell that it is gone
	pc.PowerOff()
	story, _ := f.story("pc1")
	inOrder(t, story, []string{"DHCP Discover", "Read Request, File: undionly.kpxe", "GET /ipxe/", "Login Response (Success)"})

	f.cli("volume", "export", "pc1", filepath.Join(private, "pc1.vmdk"))
	f.tool("sh", "-c", program+" --socket "+f.Socket+" volume backup pc1 - | cat > "+filepath.Join(private, "pc1.backup"))
	f.tool("sh", "-c", "cat "+filepath.Join(private, "pc1.backup")+" | "+program+" --socket "+f.Socket+" volume restore pc1 - --force")
}
