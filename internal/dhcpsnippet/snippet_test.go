package dhcpsnippet

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var lab = Values{
	Server: netip.MustParseAddr("10.77.0.1"), HTTP: "10.77.0.3:8080",
	Loaders: []Loader{
		{Name: "BIOS", Archs: []uint16{0}, File: "undionly.kpxe"},
		{Name: "x86-64", Archs: []uint16{7, 9}, File: "snponly.efi"},
		{Name: "x86-64 HTTP", Archs: []uint16{16}, File: "snponly.efi", HTTP: true},
		{Name: "arm64", Archs: []uint16{11}, File: "arm64.efi"},
	},
}

// Those whose programs cannot be had here are compared with what their manuals
// say; the others are proved by the programs (peers_test.go).
func TestSnippets(t *testing.T) {
	for _, server := range []string{"windows", "mikrotik", "pfsense"} {
		got, err := Write(server, lab)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", server+".txt")
		if os.Getenv("BOOTES_UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", server, got, want)
		}
	}
}

func TestEverySnippetSaysWhatElseIsNeeded(t *testing.T) {
	for _, server := range Servers() {
		text, err := Write(server, lab)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"dhcp: proxy", "relays DHCP", "10.77.0.1"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", server, want)
			}
		}
	}
}

func TestUnknownServer(t *testing.T) {
	_, err := Write("bind", lab)
	const want = `"bind" is no DHCP server that snippets are known for: write one of dnsmasq, kea, isc, windows, mikrotik, pfsense`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
