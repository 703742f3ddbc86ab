//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// wholeBoot is what every boot shows of itself, in this order.
var wholeBoot = []string{
	"DHCP Discover", "DHCP Offer", "DHCP Request", "GET /ipxe/", "HTTP/1.1 200 OK",
	"Login Command", "Login Response (Success)", // iPXE's
	"Login Command", "Login Response (Success)", // the system's
}

// story is what tshark reads of the packets that are kept of a machine.
func (f *fixture) story(machine string) (story string, pcap []byte) {
	f.t.Helper()
	path := f.Net.Path(machine + ".pcap")
	f.tool("sh", "-c", program+" --socket "+f.Socket+" boot pcap "+machine+" > "+path)
	out, err := exec.Command("tshark", "-n", "-r", path).Output()
	if err != nil {
		f.t.Fatalf("tshark: %v", err)
	}
	if pcap, err = os.ReadFile(path); err != nil {
		f.t.Fatal(err)
	}
	return string(out), pcap
}

// inOrder fails if a text does not hold all phrases, each after the one before.
func inOrder(t *testing.T, text string, phrases []string) {
	t.Helper()
	rest := text
	for _, p := range phrases {
		_, after, found := strings.Cut(rest, p)
		if !found {
			t.Errorf("no %q, or not in order, in\n%s", p, text)
			return
		}
		rest = after
	}
}

// checkPackets looks at what is kept of a machine that has booted: its story is
// whole, and neither its secrets nor blocks of its disk are in it.
func (g *guest) checkPackets(f *fixture, loader string) {
	g.t.Helper()
	story, pcap := f.story(g.Name())
	g.t.Logf("packets of %s:\n%s", g.Name(), story)
	inOrder(g.t, story, append([]string{"Read Request, File: " + loader}, wholeBoot[3:]...))
	inOrder(g.t, story, wholeBoot)
	told := f.cli("boot", "log", g.Name(), "--last", "1", "--packets")
	g.t.Logf("and in words:\n%s", told)
	inOrder(g.t, told, []string{
		"> DHCP DISCOVER, class PXEClient", "< DHCP OFFER", "> TFTP get " + loader, "user class iPXE (77)",
		"> HTTP GET /ipxe/", "< HTTP 200 OK", "InitiatorName=", "proof by CHAP", "> iSCSI connects to",
	})
	for _, name := range []string{"chap-secret", "rev-chap-name-secret"} {
		secret := g.run("cat /sys/firmware/ibft/target0/" + name)
		if len(secret) < 12 || strings.Contains(string(pcap), secret) {
			g.t.Errorf("%s: its %s is among the packets that are kept, or was not found to look for: %q", g.Name(), name, secret)
		}
	}
	if len(pcap) > 128<<10 || strings.Contains(string(pcap), "#!ipxe") || strings.Contains(story, "SCSI:") {
		g.t.Errorf("%s: %d bytes of packets, with scripts or SCSI commands among them", g.Name(), len(pcap))
	}
}
