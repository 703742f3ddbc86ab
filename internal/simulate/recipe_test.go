package simulate

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/lab"
)

// bootable is a disk that a BIOS runs.
func bootable(t *testing.T, name string) {
	t.Helper()
	b := make([]byte, 8<<20)
	b[0], b[510], b[511] = 0xeb, 0x55, 0xaa
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func texts(r Report) string {
	var all []string
	for _, s := range r.Steps {
		all = append(all, s.What+" "+s.Text)
		all = append(all, s.Means...)
	}
	return strings.Join(all, "\n")
}

// TestClassicRecipe follows the answers of servers that others wrote, dnsmasq and
// tgt, through a script by TFTP to a disk.
func TestClassicRecipe(t *testing.T) {
	lab.Require(t, lab.RecipePrograms...)
	n := lab.New(t, lab.NetOptions{})
	image := n.Path("disk")
	bootable(t, image)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := n.StartRecipe(ctx, lab.RecipeMachine{Name: "pc1", MAC: "52:54:00:be:9c:01", Image: image, User: "user1", Secret: "secret12345678"})
	if err != nil {
		t.Fatal(err)
	}
	play := func(firmware, mac string) (rep Report) {
		t.Helper()
		f, err := FirmwareByName(firmware)
		if err != nil {
			t.Fatal(err)
		}
		hw, _ := net.ParseMAC(mac)
		err = n.Do(func() error {
			rep, err = Run(ctx, Options{Interface: lab.Bridge, MAC: hw, Firmware: f, Wait: 2 * time.Second})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	bios := play("bios", "52:54:00:be:9c:01")
	if bios.Verdict.Outcome != Boots || !strings.HasPrefix(bios.Verdict.Text, "the disk iscsi:10.") {
		t.Errorf("%+v\n%s", bios.Verdict, texts(bios))
	}
	for _, want := range []string{"boot file undionly.kpxe", "it is iPXE", "boot.ipxe", "52-54-00-be-9c-01.ipxe", "by CHAP as user1", "its first sector has a boot signature and boot code"} {
		if !strings.Contains(texts(bios), want) {
			t.Errorf("no %q in\n%s", want, texts(bios))
		}
	}
	if efi := play("efi", "52:54:00:be:9c:01"); efi.Verdict.Outcome != Fails || !strings.Contains(efi.Verdict.Text, "it has no EFI system partition") {
		t.Errorf("%+v\n%s", efi.Verdict, texts(efi))
	}
	if other := play("bios", "52:54:00:be:9c:99"); other.Verdict.Outcome != Fails || other.Verdict.Text != "no DHCP server answers this machine" {
		t.Errorf("%+v\n%s", other.Verdict, texts(other))
	}
	b, err := os.ReadFile(n.Path("dnsmasq.leases"))
	if err != nil || len(b) != 0 {
		t.Errorf("leases %q, %v", b, err)
	}
	r.Target.Kill()
	if gone := play("ipxe-bios", "52:54:00:be:9c:01"); gone.Verdict.Outcome != Fails || !strings.Contains(gone.Verdict.Text, "the disk cannot be opened") ||
		!strings.HasPrefix(gone.Verdict.Remedies[0], "let TCP port 3260 through") {
		t.Errorf("%+v\n%s", gone.Verdict, texts(gone))
	}
}
