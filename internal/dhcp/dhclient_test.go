package dhcp

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// manyOptions is dhclient's config: it wants these and tells them to its script.
const manyOptions = `
option rfc3442-routes code 121 = array of unsigned integer 8;
option voice code 150 = array of ip-address;
option note-a code 224 = text;
option note-b code 225 = text;
option note-c code 226 = text;
request subnet-mask, rfc3442-routes, routers, ntp-servers, domain-name, domain-name-servers, host-name,
	dhcp-renewal-time, dhcp-rebinding-time, voice, note-a, note-b, note-c;
`

// TestDhclientOptions: a client that takes 576 bytes gets more options than fit
// among the options, the rest in sname and file, and reads them all.
func TestDhclientOptions(t *testing.T) {
	nettest.Need(t, "dhclient")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	c := serverConfig()
	s := &c.Subnets[0]
	s.NTP, s.LeaseTime, s.Renew = []netip.Addr{ip("10.77.0.3")}, time.Hour, 10*time.Minute
	s.Routes = []Route{{netip.MustParsePrefix("10.8.0.0/16"), ip("10.77.0.4")}}
	a, b, d := strings.Repeat("a", 130), strings.Repeat("b", 100), strings.Repeat("c", 50)
	s.Options = []Option{{150, []byte{10, 77, 0, 9, 10, 77, 0, 10}}, {224, []byte(a)}, {225, []byte(b)}, {226, []byte(d)}}
	serveReal(t, c, known())

	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	peer := nettest.Join(t, "br0", knownMAC, "")
	client := start(t, peer.Command(t.Context(), "dhclient", "-4", "-d", "-v", "-cf", file("conf", manyOptions),
		"-sf", file("script", "#!/bin/sh\n[ $reason != BOUND ] || set | grep ^new_\n"), "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "eth0"))
	client.expect(t, `bound to 10\.77\.0\.100`, 1)
	for _, want := range []string{
		"subnet_mask='255.255.255.0'", "routers='10.77.0.254'", "domain_name='lab.test'", "domain_name_servers='10.77.0.53 9.9.9.9'",
		"host_name='pc1'", "ntp_servers='10.77.0.3'", "dhcp_lease_time='3600'", "dhcp_renewal_time='600'", "dhcp_rebinding_time='3150'",
		"rfc3442_routes='16 10 8 10 77 0 4 0 10 77 0 254'", "voice='10.77.0.9 10.77.0.10'",
		"note_a='" + a + "'", "note_b='" + b + "'", "note_c='" + d + "'",
	} {
		if !strings.Contains(client.String(), "new_"+want+"\n") {
			t.Errorf("dhclient has no %s", want)
		}
	}
	if !strings.Contains(client.String(), "new_dhcp_option_overload") {
		t.Error("the fields sname and file hold no options")
	}
	if t.Failed() {
		t.Log(client)
	}
}
