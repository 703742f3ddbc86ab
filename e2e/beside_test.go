//go:build e2e

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// autoMode is a network of which nobody says who gives the addresses.
const autoMode = `
  - name: br0
    dhcp: auto
`

// TestBesideForeignServer boots three kinds of computers, in auto mode, beside a
// DHCP server that names a loader to every BIOS, and once more to iPXE, as a
// router with a form for it does; while a second DHCP server appears.
func TestBesideForeignServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, autoMode)
	f.logSays("no DHCP server answers: machines get no address here")
	form := []string{"--dhcp-match=set:bios,option:client-arch,0", "--dhcp-boot=tag:bios,undionly.kpxe,,10.77.0.1"}
	f.otherServer("52:54:00:00:00:02", "10.77.0.2", "10.77.0.50", "10.77.0.90", form...)

	machines := map[string]lab.GuestOptions{
		"rom":  {MAC: "52:54:00:00:00:11", PlainROM: true},
		"http": {MAC: "52:54:00:00:00:12", Firmware: lab.UEFI, ExtraArgs: []string{"-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=no"}},
		"two":  {MAC: "52:54:00:00:00:13", DeadNIC: "52:54:00:00:00:dd"},
	}
	for name, o := range machines {
		o.Name = name
		f.cli("machine", "add", name, "--mac", o.MAC, "--image", imageRef, "--ephemeral")
		if err := f.computer(o).PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.waitFor(ctx, "http", "DISCOVER from UEFI x86-64 HTTP")
	f.otherServer("52:54:00:00:00:66", "10.77.0.66", "10.77.0.150", "10.77.0.190", form...)
	for name, how := range map[string]string{"rom": "undionly.kpxe sent by TFTP", "http": "snponly.efi sent by HTTP", "two": "DISCOVER from iPXE"} {
		f.waitFor(ctx, name, how)
		f.waitFor(ctx, name, "script made")
		f.waitFor(ctx, name, "first read")
		for _, b := range f.boots(name) {
			for _, e := range b.Events {
				if e.Level != recorder.Info && !strings.Contains(e.Text, "was not here before") && !strings.HasPrefix(e.Text, "on its network: ") {
					t.Errorf("%s: %s: %s", name, e.Level, e.Text)
				}
				if strings.HasPrefix(e.Text, "OFFER 10.") || strings.HasPrefix(e.Text, "ACK 10.") {
					t.Errorf("%s was given an address by a proxy: %s", name, e.Text)
				}
			}
		}
	}
	if sent := f.events("rom", "it is sent on to its script instead"); len(sent) == 0 {
		t.Error("the other server's word to iPXE was not corrected")
	}
	const told = "on its network: another DHCP server 10.77.0.66 (MAC 52:54:00:00:00:66) has appeared: two servers on one network"
	f.waitFor(ctx, "http", told)
	if n := len(f.events("http", told)); n != 1 {
		t.Errorf("a machine that was booting is told %d times of the server that appeared, want once", n)
	}
	f.logSays(`msg="DHCP server found" interface=br0 server=10.77.0.2`)
	f.logSays(`msg="another DHCP server has appeared" interface=br0 server=10.77.0.66`)
}

// logSays waits until the server's log holds a phrase.
func (f *fixture) logSays(phrase string) {
	f.t.Helper()
	var b []byte
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if b, _ = os.ReadFile(f.Net.Path("bootes.log")); strings.Contains(string(b), phrase) {
			return
		}
	}
	f.t.Errorf("the log does not say %q:\n%s", phrase, b)
}
