//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

const holdMode = serverMode + "    unknown: hold\n"

// await waits until a machine is in the list of those that wait for approval.
func (f *fixture) await(ctx context.Context, mac string) api.Waiting {
	f.t.Helper()
	for {
		var all []api.Waiting
		f.json(&all, "machine", "waiting")
		for _, w := range all {
			if w.MAC == mac {
				return w
			}
		}
		select {
		case <-ctx.Done():
			f.t.Fatalf("%s waits nowhere; its log:\n%s", mac, f.cli("boot", "log", mac))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestHold switches on computers that nobody has added, under both firmwares,
// approves them and sees them go on; the server was started anew while they waited.
// The one is then carried to the other's network card.
func TestHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, holdMode)
	const macA, macB = "52:54:00:00:00:98", "52:54:00:00:00:99"
	const uuidA, uuidB = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	a := f.computer(lab.GuestOptions{Name: "a", MAC: macA, UUID: uuidA, Serial: "SN-A 1"})
	b := f.computer(lab.GuestOptions{Name: "b", MAC: macB, Firmware: lab.UEFI, UUID: uuidB, Serial: "SN-B"})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, g := range []*guest{a, b} {
		if err := g.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for mac, want := range map[string]api.Hardware{
		macA: {UUID: uuidA, Serial: "SN-A 1", Manufacturer: "QEMU", Memory: 768 << 20, NIC: "virtio-net 1af4:1000"},
		macB: {UUID: uuidB, Serial: "SN-B", Manufacturer: "QEMU", Memory: 768 << 20, NIC: "SNP 1af4:1000"},
	} {
		w := f.await(ctx, mac)
		if !strings.HasPrefix(w.Hardware.Product, "Standard PC (") || !strings.Contains(w.Hardware.Product, " + ") {
			t.Errorf("%s is a %q", mac, w.Hardware.Product)
		}
		if w.Hardware.Product = ""; w.Hardware != want {
			t.Errorf("%s says %+v, want %+v", mac, w.Hardware, want)
		}
	}
	if err := a.expect(ctx, time.Minute, `Bootes: waiting for approval\s+MAC `+macA+`\s+QEMU .* serial SN-A 1\s+On the server: bootes machine approve `+macA); err != nil {
		t.Error(err)
	}

	f.end(15)
	f.serve()
	for _, mac := range []string{macA, macB} {
		f.waitFor(ctx, mac, "it waits for approval")
		f.await(ctx, mac)
	}
	time.Sleep(8 * time.Second) // they have asked for their addresses again by then

	f.cli("machine", "approve", macB, "--name", "pc-b", "--image", imageRef, "--ephemeral")
	approved := time.Now()
	made := f.waitFor(ctx, "pc-b", "script made")
	if d := made.Time.Sub(approved); d > 6*time.Second {
		t.Errorf("it has waited %s after its approval", d)
	}
	f.waitFor(ctx, "pc-b", "first read")
	b.PowerOff()

	f.cli("machine", "approve", macA, "--name", "pc-a", "--image", imageRef)
	f.waitFor(ctx, "pc-a", "script made")
	f.waitFor(ctx, "pc-a", "first read")
	a.PowerOff()

	dock := f.computer(lab.GuestOptions{Name: "dock", MAC: macA, UUID: uuidB, Serial: "SN-B"})
	if err := dock.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	f.waitFor(ctx, "pc-b", "known by its UUID or serial number: its network card is not one of pc-b")
	if err := dock.expect(ctx, time.Minute, `Bootes: pc-b boots`); err != nil {
		t.Error(err)
	}
	for _, boot := range f.boots("pc-a") { // those of its card as a stranger are among them
		if boot.Machine == "pc-a" && boot.ID != "pc-a-1" {
			t.Errorf("pc-b has begun boot %s of pc-a", boot.ID)
		}
	}
}

// TestEnrol switches on two computers that nobody has added, beside another DHCP
// server; their boards have one UUID. Both are added, and told apart by their cards.
func TestEnrol(t *testing.T) {
	t.Parallel()
	f := newFixture(t, proxyMode+"    unknown: enrol\n    enrol: {image: "+imageRef+", mode: ephemeral, name: 'pc-%serial'}\n")
	f.otherServer("52:54:00:00:00:02", "10.77.0.2", "10.77.0.50", "10.77.0.90")
	const shared = "aaaaaaaa-0000-4000-8000-000000000001"
	a := f.computer(lab.GuestOptions{Name: "a", MAC: "52:54:00:00:00:98", UUID: shared, Serial: "SN-A", PlainROM: true})
	b := f.computer(lab.GuestOptions{Name: "b", MAC: "52:54:00:00:00:99", UUID: shared, Serial: "SN-B"})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for range 2 { // the second time they are known
		for _, g := range []*guest{a, b} {
			if err := g.PowerOn(ctx); err != nil {
				t.Fatal(err)
			}
			if err := g.expect(ctx, 2*time.Minute, `Bootes: pc-sn-`+g.Name()+` boots `+imageRef); err != nil {
				t.Fatal(err)
			}
			f.waitFor(ctx, "pc-sn-"+g.Name(), "opened the disk")
			g.PowerOff()
			g.Console().Skip()
		}
	}
	for _, g := range []*guest{a, b} {
		m := f.machine("pc-sn-" + g.Name())
		if m.Mode != api.Ephemeral || m.Hardware == nil || m.Hardware.UUID != shared || m.Hardware.Serial != "SN-"+strings.ToUpper(g.Name()) {
			t.Errorf("%+v, %+v", m, m.Hardware)
		}
	}
	if said := f.events("pc-sn-b", "known by its"); len(said) != 0 {
		t.Errorf("one is taken for the other: %q", said)
	}
}
