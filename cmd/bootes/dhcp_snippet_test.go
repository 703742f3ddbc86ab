package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// configFile writes a config file.
func configFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSnippetOfTheConfig(t *testing.T) {
	one := configFile(t, "one.yaml", "ports: {http: 8080}\ninterfaces:\n  - {name: lo, dhcp: proxy}\n  - {name: eth9, dhcp: off}\n")
	out, errs, code := bootes(t, "dhcp-snippet", "dnsmasq", "-c", one)
	if code != 0 || !strings.Contains(out, `"snponly.efi",,127.0.0.1`) || !strings.Contains(out, `"http://127.0.0.1:8080/ipxe/${netX/mac:hexhyp}"`) {
		t.Errorf("code %d, %s\n%s", code, errs, out)
	}
	other := configFile(t, "other.yaml", "interfaces:\n  - {name: lo, http: 10.0.0.9}\n  - {name: eth9}\n")
	out, errs, code = bootes(t, "dhcp-snippet", "isc", "-c", other, "--interface", "lo")
	if code != 0 || !strings.Contains(out, "next-server 127.0.0.1;") || !strings.Contains(out, `"http://10.0.0.9/loader/snponly.efi"`) {
		t.Errorf("code %d, %s\n%s", code, errs, out)
	}
	out, errs, code = bootes(t, "dhcp-snippet", "kea", "--server", "10.0.0.1", "--http-port", "81", "-o", "json")
	var s snippet
	if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil || s.For != "kea" || s.Server != "10.0.0.1" || !strings.Contains(s.Text, "http://10.0.0.1:81/") {
		t.Errorf("code %d, %v, %s\n%s", code, err, errs, out)
	}
}

func TestSnippetNamesTheLoadersThatAreThere(t *testing.T) {
	dir := t.TempDir()
	for name, machine := range map[string]uint16{"arm64-efi/snponly.efi": 0xaa64, "i386/ipxe.efi": 0x014c} {
		pe := make([]byte, 0x80)
		copy(pe, "MZ")
		pe[0x3c] = 0x40
		copy(pe[0x40:], "PE\x00\x00")
		binary.LittleEndian.PutUint16(pe[0x44:], machine)
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), pe, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, code := bootes(t, "dhcp-snippet", "dnsmasq", "-c", configFile(t, "one.yaml", "loaders: ["+dir+"]\ninterfaces: [{name: lo}]\n"))
	for _, want := range []string{
		"tag:bootes-arm64,\"arm64-efi/snponly.efi\",,127.0.0.1", "/loader/arm64-efi/snponly.efi", "tag:bootes-ia32,\"i386/ipxe.efi\"",
		"set:bootes-ia32,option:client-arch,6", "tag:bootes-bios,\"undionly.kpxe\"",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("code %d, %s: lacks %s:\n%s", code, errs, want, out)
		}
	}
	if out, _, _ := bootes(t, "dhcp-snippet", "dnsmasq", "--server", "10.0.0.1"); !strings.Contains(out, "\"arm64/snponly.efi\"") || strings.Contains(out, "ia32") {
		t.Error(out)
	}
}

func TestSnippetErrors(t *testing.T) {
	const all = "dnsmasq|kea|isc|windows|mikrotik|pfsense"
	two := configFile(t, "two.yaml", "interfaces:\n  - {name: eth8}\n  - {name: eth9}\n  - {name: eth7, dhcp: off}\n  - {name: eth6, dhcp: server, range: 10.0.0.5-10.0.0.9}\n")
	none := configFile(t, "none.yaml", "interfaces:\n  - {name: eth7, dhcp: off}\n")
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "the DHCP server's name (" + all + ") is missing\n`bootes dhcp-snippet --help` shows how it is used"},
		{"bind --server 10.0.0.1", 2, `"bind" is no DHCP server that snippets are known for: write one of dnsmasq, kea, isc, windows, mikrotik, pfsense`},
		{"kea --server ::1", 2, `--server "::1" is no IPv4 address`},
		{"kea -c /none.yaml", 3, `no config file "/none.yaml" (file does not exist): name one with --config, or begin with: bootes serve --print-config > /none.yaml; or give this server's address with --server`},
		{"kea -c " + two, 2, two + " has several interfaces: choose one with --interface: eth8, eth9"},
		{"kea -c " + two + " --interface eth1", 3, two + ` names no interface "eth1": it has eth8, eth9`},
		{"kea -c " + two + " --interface eth7", 4, `interface "eth7" has dhcp: off: Bootes would not hear the machines there, and would give out no script; write dhcp: proxy`},
		{"kea -c " + two + " --interface eth6", 4, `on interface "eth6" Bootes is the DHCP server itself: there is no other to tell anything`},
		{"kea -c " + none, 3, none + " has no interface with dhcp: proxy or auto: snippets are for networks with a DHCP server of their own"},
	} {
		out, errs, code := bootes(t, append([]string{"dhcp-snippet"}, strings.Fields(tt.args)...)...)
		if code != tt.code || errs != "bootes: "+tt.want+"\n" || out != "" {
			t.Errorf("%s: code %d, want %d\ngot  %swant bootes: %s\n%s", tt.args, code, tt.code, errs, tt.want, out)
		}
	}
}
