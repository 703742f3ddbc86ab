package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("bootes.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return c
}

func TestEmptyFileGivesDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "\ufeff", "ports:\nlimits:\ninterfaces:\n"} {
		want := Default()
		want.File = "bootes.yaml"
		if c := parse(t, text); !reflect.DeepEqual(c, want) {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

func TestEveryKey(t *testing.T) {
	c := parse(t, `
data: /srv/bootes/
loaders: /opt/ipxe
iqn_prefix: "iqn.2020-12.org.example:lab"
api: {socket: /tmp/b.sock, group: root}
ports: {http: 8080, tftp: 6969, iscsi: 3261}
metrics: 127.0.0.1:9660
tftp: {single_port: true}
http: {mirrors: {debian: /srv/mirror/debian/, isos: /srv/isos}}
auth: {mutual: false}
log: {level: debug, slow_io: 250ms}
limits: {min_free: 5%, volume: 1.5G, warn: 95%}
interfaces:
  - name: eth1
    dhcp: server
    range: 10.77.0.100 - 10.77.0.199
    exclude: [10.77.0.150, 10.77.0.160-10.77.0.165]
    prefix: 10.77.0.0/24
    router: 10.77.0.1
    dns: [10.77.0.1, 9.9.9.9]
    ntp: 10.77.0.3
    domain: lab.example.org
    lease: 1d12h
    renew: 12h
    rebind: 1d
    routes: [{to: 10.8.0.0/16, via: 10.77.0.254}]
    options: {252: "http://wpad/", 150: 10.77.0.1, 43: "hex:01 04 0a4d:0001"}
    hosts: [{mac: 00-11-22-33-44-AA, address: 10.77.0.20, name: printer}]
    conflicts: off
    force: true
    serve_unknown: true
    unknown: enrol
    enrol: {image: debian:12, mode: ephemeral, name: ci-%}
    subnets:
      - {prefix: 10.78.0.0/24, range: [10.78.0.10-10.78.0.19, 10.78.0.30-10.78.0.39]}
    portal: 10.78.0.1
    http: 10.77.0.2
  - name: br0.7
  - {name: eth2, dhcp: off, portal: 10.0.0.1}
  - {name: eth3, dhcp: auto}
`)
	addr := netip.MustParseAddr
	want := &Config{
		File: "bootes.yaml", Data: "/srv/bootes", Loaders: []string{"/opt/ipxe"}, IQNPrefix: "iqn.2020-12.org.example:lab",
		API:     API{Socket: "/tmp/b.sock", Group: "root"},
		Ports:   Ports{HTTP: 8080, TFTP: 6969, ISCSI: 3261},
		TFTP:    TFTP{SinglePort: true},
		HTTP:    HTTP{Mirrors: map[string]string{"debian": "/srv/mirror/debian", "isos": "/srv/isos"}},
		Metrics: netip.MustParseAddrPort("127.0.0.1:9660"),
		Log:     Log{Level: slog.LevelDebug, SlowIO: 250 * time.Millisecond},
		Limits: Limits{
			MinFree: Space{Percent: 5}, Volume: 3 << 29, Warn: 95,
		},
		Interfaces: []Interface{
			{
				Name: "eth1", DHCP: Server, Unknown: Enrol, Enrol: Enrolment{"debian:12", "ephemeral", "ci-%"},
				Subnet: Subnet{
					Ranges:  []Range{{addr("10.77.0.100"), addr("10.77.0.199")}},
					Exclude: []Range{{addr("10.77.0.150"), addr("10.77.0.150")}, {addr("10.77.0.160"), addr("10.77.0.165")}},
					Prefix:  netip.MustParsePrefix("10.77.0.0/24"), Router: addr("10.77.0.1"),
					DNS: []netip.Addr{addr("10.77.0.1"), addr("9.9.9.9")}, NTP: []netip.Addr{addr("10.77.0.3")}, Domain: "lab.example.org",
					Lease: 36 * time.Hour, Renew: 12 * time.Hour, Rebind: 24 * time.Hour,
					Routes:  []Route{{netip.MustParsePrefix("10.8.0.0/16"), addr("10.77.0.254")}},
					Options: []Option{{43, []byte{1, 4, 10, 77, 0, 1}}, {150, []byte{10, 77, 0, 1}}, {252, []byte("http://wpad/")}},
					Hosts:   []Host{{"00:11:22:33:44:aa", addr("10.77.0.20"), "printer"}},
				},
				Subnets: []Subnet{{
					Ranges: []Range{{addr("10.78.0.10"), addr("10.78.0.19")}, {addr("10.78.0.30"), addr("10.78.0.39")}},
					Prefix: netip.MustParsePrefix("10.78.0.0/24"), Lease: time.Hour,
				}},
				Force: true, ServeUnknown: true, Portal: addr("10.78.0.1"), HTTP: addr("10.77.0.2"), Line: 14, Column: 5,
			},
			{Name: "br0.7", DHCP: Proxy, Unknown: Ignore, Subnet: Subnet{Lease: time.Hour}, Conflicts: true, Line: 38, Column: 5},
			{Name: "eth2", DHCP: Off, Unknown: Ignore, Subnet: Subnet{Lease: time.Hour}, Conflicts: true, Portal: addr("10.0.0.1"), Line: 39, Column: 6},
			{Name: "eth3", DHCP: Auto, Unknown: Ignore, Subnet: Subnet{Lease: time.Hour}, Conflicts: true, Line: 40, Column: 6},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestMetricsAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"metrics: 0.0.0.0:9660": "0.0.0.0:9660", "metrics: '[::1]:9660'": "[::1]:9660",
		"metrics: '[::]:80'\nports: {http: 8080}": "[::]:80",
	} {
		if c := parse(t, text); c.Metrics != netip.MustParseAddrPort(want) {
			t.Errorf("%s: %s", text, c.Metrics)
		}
	}
}

// The reference config is the documentation of every key: it must parse, show
// the defaults, name every key there is, and parse with all comments taken off.
func TestReferenceConfig(t *testing.T) {
	c := parse(t, Example)
	want := Default()
	want.File = "bootes.yaml"
	want.Interfaces = []Interface{{Name: "eth0", DHCP: Proxy, Unknown: Ignore, Subnet: Subnet{Lease: DefaultLease}, Conflicts: true, Line: 14, Column: 5}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the reference config does not show the defaults:\ngot  %+v\nwant %+v", c, want)
	}
	key := regexp.MustCompile(`(?m)^( *)# ((?:- )?[a-z_]+:(?: \S.*)?)$`)
	all := key.ReplaceAllString(Example, "$1$2")
	all = regexp.MustCompile(`(?m)^  #   ( *(?:- )?[a-z_]+:)`).ReplaceAllString(all, "    $1")
	c = parse(t, all)
	if len(c.Interfaces) != 2 || c.Interfaces[1].DHCP != Server || c.Limits.Volume != 20<<30 || c.Metrics.Port() != 9660 || len(c.HTTP.Mirrors) != 2 {
		t.Errorf("without comment signs: %+v", c)
	}
	if i := c.Interfaces[1]; i.Domain == "" || !i.Router.IsValid() || !i.Prefix.IsValid() || len(i.DNS) != 2 || len(i.Options) != 3 || len(i.Subnets) != 1 || len(i.Hosts) != 1 {
		t.Errorf("without comment signs: %+v", i)
	}
	for _, k := range append([]string{"data", "loaders", "iqn_prefix", "socket", "group", "metrics", "mutual", "single_port", "mirrors", "http", "tftp", "iscsi", "level", "slow_io",
		"min_free", "volume", "warn", "name", "dhcp", "unknown", "enrol", "portal", "subnets"}, serverKeys...) {
		if !regexp.MustCompile(`(?m)^[ #-]*` + k + `:`).MatchString(Example) {
			t.Errorf("the reference config lacks %q", k)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "--print-config") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Load(big); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("big file: %v", err)
	}
	if _, err = Load(dir); err == nil {
		t.Error("a folder was read as a file")
	}
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte(Example), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(good); err != nil || c.File != good {
		t.Errorf("good file: %+v, %v", c, err)
	}
}
