//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// stageTime bounds each stage of a boot, two guests at a time.
const stageTime = 4 * time.Minute

// TestPowerCycle cuts the power of both firmwares on the way to the system; the
// machine must boot again at once each time, though none of its sessions was ever
// closed in order. TestRoom cuts it when the system runs.
func TestPowerCycle(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	guests := []*guest{
		f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS),
		f.guest("pc2", "52:54:00:00:00:02", api.Ephemeral, lab.UEFI),
	}
	group, ctx := errgroup.WithContext(t.Context())
	for _, g := range guests {
		group.Go(func() error { return powerCycle(ctx, t, g) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		g.login()
		for _, b := range f.unharmed(g, 3) {
			if !b.Stage.After(recorder.StageScript) {
				t.Errorf("%s: boot %s has come no further than %q", g.Name(), b.ID, b.Stage)
			}
		}
		if refused := f.events(g.Name(), "refused"); len(refused) != 0 {
			t.Errorf("%s was refused: %q", g.Name(), refused)
		}
	}
}

// unharmed checks that a machine that has lost its power before has begun as many
// boots as it should have, and that the last one is as good as any.
func (f *fixture) unharmed(g *guest, begun int) (boots []recorder.Boot) {
	f.t.Helper()
	g.want("systemctl is-system-running --wait", "running")
	g.noErrors()
	boots = f.boots(g.Name())
	if len(boots) != begun {
		f.t.Fatalf("%d boots of %s are recorded, want %d:\n%s", len(boots), g.Name(), begun, f.cli("boot", "log", g.Name(), "--last", "10"))
	}
	for _, e := range boots[0].Events {
		if strings.Contains(e.Text, "refused") {
			f.t.Errorf("%s was refused: %s", g.Name(), e.Text)
		}
	}
	return boots
}

// powerCycle cuts the power at each stage, the next time one later, and boots to
// the login prompt.
func powerCycle(ctx context.Context, t *testing.T, g *guest) error {
	start := time.Now()
	for _, at := range []struct{ name, pattern string }{
		{"GRUB", `GRUB`},
		{"the initramfs", `Begin: Mounting root file system|iscsistart`},
	} {
		if err := g.PowerOn(ctx); err != nil {
			return err
		}
		if err := g.expect(ctx, stageTime, at.pattern); err != nil {
			return err
		}
		t.Logf("%5.0f s  %s: power cut at %s", time.Since(start).Seconds(), g.Name(), at.name)
		g.PowerOff()
		g.Console().Skip()
	}
	if err := g.PowerOn(ctx); err != nil {
		return err
	}
	return g.expect(ctx, stageTime, lab.LoginPrompt)
}

// TestProxy boots both firmwares beside another DHCP server. The BIOS's ROM is
// a plain one.
func TestProxy(t *testing.T) {
	t.Parallel()
	lab.Require(t, "dnsmasq", "tshark")
	f := newFixture(t, proxyMode)
	f.otherServer("52:54:00:00:00:02", "10.77.0.2", "10.77.0.50", "10.77.0.90")
	const mac1, mac3 = "52:54:00:00:00:01", "52:54:00:00:00:03"
	f.cli("machine", "add", "pc1", "--mac", mac1, "--image", imageRef, "--ephemeral")
	pc1 := f.computer(lab.GuestOptions{Name: "pc1", MAC: mac1, PlainROM: true})
	pc2 := f.guest("pc2", mac3, api.Ephemeral, lab.UEFI)
	boot(t, pc1, pc2)
	first, last := netip.MustParseAddr("10.77.0.50"), netip.MustParseAddr("10.77.0.90")
	for g, loader := range map[*guest]string{pc1: "undionly.kpxe", pc2: "snponly.efi"} {
		g.want("hostname", g.Name())
		if a, err := netip.ParseAddr(g.address()); err != nil || a.Less(first) || last.Less(a) {
			t.Errorf("%s has address %s (%v), want one of dnsmasq's", g.Name(), a, err)
		}
		if sent := f.events(g.Name(), loader+" sent by TFTP"); len(sent) == 0 {
			t.Errorf("%s booted without %s:\n%s", g.Name(), loader, f.cli("boot", "log", g.Name()))
		}
		if broken := f.events(g.Name(), "broke off"); len(broken) != 0 {
			t.Errorf("%s: EDK2's abort after its question for the size is an error: %q", g.Name(), broken)
		}
		g.checkPackets(f, loader)
	}
}

// TestUnknownMachine switches on computers that nobody added.
func TestUnknownMachine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	strangers := map[string]*guest{}
	for mac, fw := range map[string]lab.Firmware{"52:54:00:00:00:98": lab.BIOS, "52:54:00:00:00:99": lab.UEFI} {
		strangers[mac] = f.stranger("stranger-"+strings.ToLower(fw.String()), mac, fw)
		if err := strangers[mac].PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for mac, pc := range strangers {
		f.waitFor(ctx, mac, "bootes machine add NAME --mac "+mac+" --image "+imageRef)
		// What iPXE and EDK2 say when they have given up.
		if err := pc.expect(ctx, 2*time.Minute, `No more network devices|UEFI Interactive Shell|BdsDxe: (No bootable|failed to load)`); err != nil {
			t.Error(err)
		}
		checkStranger(t, f, mac)
	}
	var l api.VolumeList
	if f.json(&l, "volume", "list"); len(l.Volumes) != 0 {
		t.Errorf("a stranger has got a disk: %+v", l.Volumes)
	}
}

// checkStranger looks at all that a stranger was told: it may have an address,
// for firmware asks for one, but nothing to boot.
func checkStranger(t *testing.T, f *fixture, mac string) {
	t.Helper()
	if said := f.events(mac, "unknown machine: it gets no boot"); len(said) == 0 {
		t.Errorf("the log of %s says nothing", mac)
	}
	addresses := map[string]bool{}
	for _, text := range f.events(mac, "") {
		for _, no := range []string{"script made", "sent by", "transfer of", "boot file", "opened the disk"} {
			if strings.Contains(text, no) {
				t.Errorf("stranger %s: %s", mac, text)
			}
		}
		if lease, leased := strings.CutPrefix(text, "ACK "); leased {
			address, reason, _ := strings.Cut(lease, ", ")
			addresses[address] = true
			if reason != "nothing to boot: unknown machine" {
				t.Errorf("stranger %s: %s", mac, text)
			}
		}
	}
	if len(addresses) > 1 {
		t.Errorf("stranger %s has got %d addresses: %v", mac, len(addresses), addresses)
	}
}

// TestPlainROM hides from the server that the guest's ROM is iPXE, so that
// undionly.kpxe is fetched and run.
func TestPlainROM(t *testing.T) {
	t.Parallel()
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
	if err := pc.expect(ctx, time.Minute, `GRUB`); err != nil {
		t.Error(err)
	}
	if h := f.machine("pc1").Hardware; h == nil || h.Manufacturer != "QEMU" || h.Memory != 768<<20 {
		t.Errorf("of its hardware is known %+v", h)
	}
}
