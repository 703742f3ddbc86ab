//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestPowerCycle cuts the power at every stage; the machine must boot again at
// once each time, though none of its sessions was ever closed in order.
func TestPowerCycle(t *testing.T) {
	f := newFixture(t, serverMode)
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct{ name, pattern string }{
		{"GRUB", `GRUB`},
		{"the initramfs", `Begin: Mounting root file system|iscsistart`},
		{"the system", lab.LoginPrompt},
	} {
		pc.expect(bootTime, at.pattern)
		t.Logf("power cut at %s", at.name)
		pc.PowerOff()
		pc.Console().Skip()
		if err := pc.PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pc.expect(bootTime, lab.LoginPrompt)
	pc.login()
	pc.want("systemctl is-system-running --wait", "running")
	pc.noErrors()
}

// TestProxy boots both firmwares beside another DHCP server.
func TestProxy(t *testing.T) {
	lab.Require(t, "dnsmasq")
	f := newFixture(t, proxyMode)
	other, err := f.Net.NewHost("52:54:00:00:00:02", netip.MustParseAddr("10.77.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Start(lab.Program{Path: "dnsmasq", Args: []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
		"--dhcp-range=10.77.0.50,10.77.0.90,1h", "--dhcp-authoritative", "--log-dhcp", "--leasefile-ro", "--user=root",
		"--log-facility=-",
	}})
	if err != nil {
		t.Fatal(err)
	}
	pc1 := f.guest("pc1", "52:54:00:00:00:01", api.Ephemeral, lab.BIOS)
	pc2 := f.guest("pc2", "52:54:00:00:00:03", api.Ephemeral, lab.UEFI)
	boot(t, pc1, pc2)
	for _, g := range []*guest{pc1, pc2} {
		g.want("hostname", g.Name())
		if a := g.run(`ip -4 -o addr show scope global | awk '{print $4}'`); !strings.HasPrefix(a, "10.77.0.5") && !strings.HasPrefix(a, "10.77.0.6") &&
			!strings.HasPrefix(a, "10.77.0.7") && !strings.HasPrefix(a, "10.77.0.8") {
			t.Errorf("%s has address %s, want one of dnsmasq's", g.Name(), a)
		}
	}
}

// TestUnknownMachine switches on a computer that nobody added.
func TestUnknownMachine(t *testing.T) {
	f := newFixture(t, serverMode)
	const mac = "52:54:00:00:00:99"
	pc := f.stranger("stranger", mac, lab.BIOS)
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f.waitFor(ctx, mac, "bootes machine add NAME --mac "+mac+" --image "+imageRef)
	boots, err := f.Boots(ctx, mac)
	if err != nil || len(boots) == 0 {
		t.Fatalf("boots of %s: %v, %v", mac, boots, err)
	}
	if out := f.cli("boot", "log", mac); !strings.Contains(out, "unknown machine") {
		t.Errorf("boot log says nothing:\n%s", out)
	}
}

// TestPlainROM hides from the server that the guest's ROM is iPXE, so that
// undionly.kpxe is fetched and run.
func TestPlainROM(t *testing.T) {
	f := newFixture(t, serverMode)
	f.cli("machine", "add", "pc1", "--mac", "52:54:00:00:00:01", "--image", imageRef, "--ephemeral")
	pc := f.computer(lab.GuestOptions{Name: "pc1", MAC: "52:54:00:00:00:01", PlainROM: true})
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	f.waitFor(ctx, "pc1", "undionly.kpxe sent by TFTP")
	asked := f.waitFor(ctx, "pc1", "DISCOVER from iPXE")
	made := f.waitFor(ctx, "pc1", "script made")
	if d := made.Time.Sub(asked.Time); d > 10*time.Second {
		t.Errorf("iPXE asked for its script %s after its address: it has waited for an IPv6 router", d.Round(time.Second))
	}
	f.waitFor(ctx, "pc1", "first read")
	pc.expect(time.Minute, `GRUB`)
}

// TestSecureBoot switches on the commonest failure of today's PCs.
func TestSecureBoot(t *testing.T) {
	f := newFixture(t, serverMode)
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Ephemeral, lab.UEFISecureBoot)
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	e := f.waitFor(ctx, "pc1", "Secure Boot is on")
	t.Logf("recorder: %s: %s", e.Level, e.Text)
}
