//go:build e2e

package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/lab"
)

// diagnosisSite is a network, and what is wrong with its machines.
type diagnosisSite struct {
	config  string // interfaces: section
	arrange func(*fixture)
	faults  []fault
}

var diagnosisSites = []diagnosisSite{
	{"\n  - {name: br0, dhcp: server, range: 10.77.0.100-10.77.0.100}\n", (*fixture).asServer, faultsOfServer},
	{proxyMode, (*fixture).besideAnother, faultsBesideAnother},
	{proxyMode, func(*fixture) {}, faultsAlone},
	{"\n  - {name: br0, dhcp: server, range: 10.77.0.100-10.77.0.199, portal: 10.77.0.250}\n", func(*fixture) {}, faultsOfPortal},
	{serverMode, (*fixture).besideLaptop, faultsOfLaptop},
}

// open starts a site's server, with all that its faults need.
func (s diagnosisSite) open(t *testing.T) *fixture {
	t.Helper()
	loaders := t.TempDir()
	header(t, filepath.Join(loaders, "arm64.efi"), 0xaa64)
	writeFile(t, filepath.Join(loaders, "resets.efi"), efiProgram(resets))
	f := prepare(t, s.config+"loaders: ["+loaders+", /usr/lib/ipxe]\n")
	f.serve()
	f.importDisks()
	f.tool("nft", "add table inet faults; add chain inet faults input { type filter hook input priority 0; }")
	s.arrange(f)
	return f
}

// faultsOfServer are met where we give the addresses. The one that takes longest
// comes first.
var faultsOfServer = []fault{
	{name: "stops",
		kind: "no-system-login", cause: "boot loader", says: []string{"too little for a kernel"}},
	{name: "stranger", stranger: true,
		kind: "unknown-machine", remedy: []string{"bootes machine add NAME --mac 52:54:00:00:01:02 --image "}},
	{name: "arm", firmware: lab.ARM64,
		kind: "no-loader-for-firmware", says: []string{"arm64"}, remedy: []string{"arm64/snponly.efi"}},
	{name: "secure-boot", firmware: lab.UEFISecureBoot,
		kind: "loader-silent", cause: "Secure Boot", remedy: []string{"switch Secure Boot off"}},
	{name: "wrong-loader", firmware: lab.UEFI, machine: []string{"--loader", "arm64.efi"},
		kind: "wrong-architecture", cause: "arm64", says: []string{"x86-64"}, remedy: []string{"bootes machine set wrong-loader --loader auto"}},
	{name: "crashing-loader", firmware: lab.UEFI, machine: []string{"--loader", "resets.efi"},
		kind: "loader-loop", says: []string{"resets.efi"}},
	{name: "narrow-path", plainROM: true, filters: []lab.Filter{lab.NarrowPath(1000)},
		kind: "tftp-timeout", cause: "MTU", says: []string{"undionly.kpxe"}},
	{name: "narrow-http", firmware: lab.UEFI, setUp: lab.NoPXE, filters: []lab.Filter{lab.NarrowPath(1400)},
		kind: "http-timeout", cause: "an MTU on the way", says: []string{"snponly.efi", "gave up after 0 bytes", "none of 1500 bytes", "packets were sent again"},
		remedy: []string{"ping -M do -s 1472 10.77.0."}},
	{name: "tftp-firewall", plainROM: true, filters: []lab.Filter{lab.KnownPorts()},
		kind: "tftp-timeout", cause: "firewall", remedy: []string{"single_port: true"}},
	{name: "broken-tftp", plainROM: true, filters: []lab.Filter{lab.BrokenTFTP(20)},
		kind: "tftp-timeout", cause: "lets nothing more through from byte 27208", says: []string{"undionly.kpxe", "it asked for the next packet"}},
	{name: "watchdog", plainROM: true, resetsAt: 20,
		kind: "tftp-restarted", cause: "restarts while it loads", says: []string{"undionly.kpxe"}},
	{name: "switched-off", plainROM: true, offAt: 20,
		kind: "tftp-timeout", cause: "it was switched off", says: []string{"undionly.kpxe"}},
	{name: "spanning-tree", plainROM: true, filters: []lab.Filter{&lab.SpanningTree{Wait: time.Hour}},
		kind: "loader-silent", cause: "spanning tree", remedy: []string{"portfast"}},
	{name: "deaf-ipxe", filters: []lab.Filter{lab.SnoopDHCP(netip.Addr{})},
		kind: "ipxe-no-address", says: []string{"OFFER"}},
	{name: "full-pool", machine: []string{"--address", "none"},
		kind: "pool-exhausted", cause: "the range is too small", says: []string{"the range there is 10.77.0.100: 1 address", "held by desk"}, remedy: []string{"range:"}},
	{name: "http-firewall", firewall: "tcp dport 80 drop",
		kind: "script-not-fetched", cause: "firewall", remedy: []string{"tcp dport 80 accept"}},
	{name: "iscsi-firewall", firewall: "tcp dport 3260 drop",
		kind: "no-login", cause: "firewall", remedy: []string{"tcp dport 3260 accept"}},
	{name: "refused", machine: []string{"--from", "192.168.99.0/24"},
		kind: "login-refused", says: []string{"192.168.99.0/24"}, remedy: []string{"bootes machine set refused --from"}},
	{name: "no-boot-sector", image: "blank:1",
		kind: "not-bootable", cause: "not one to boot from by this firmware", says: []string{"no boot signature (55 AA)"}, remedy: []string{"bootes machine set no-boot-sector --image"}},
	{name: "no-esp", firmware: lab.UEFI,
		kind: "not-bootable", cause: "is for BIOS, and this machine starts by UEFI", says: []string{"it has no EFI system partition"}, remedy: []string{"bootes machine set no-esp --image"}},
	{name: "cut-cable", filters: []lab.Filter{new(lab.CutAfterLogin)},
		kind: "no-read", says: []string{"iPXE opened the disk", "has read nothing"}},
	{name: "cut-while-reading", filters: []lab.Filter{&lab.CutAfterLogin{Bytes: 256 << 10}},
		kind: "no-system-login", says: []string{"its link is gone"}},
	{name: "rotten", image: "rotten:1",
		kind: "image-corrupt", later: true, cause: "it read what is damaged", says: []string{"1 of 9 MiB changed since it was made, the first at 0 MiB"},
		remedy: []string{"bootes image verify rotten:1", "bootes machine set rotten --image"}},
	{name: "damaged", image: "damaged:1",
		kind: "image-corrupt", says: []string{"damaged:1"}, remedy: []string{"bootes image verify damaged:1"}},
}

// faultsBesideAnother are met by a proxy beside the DHCP server 10.77.0.2, which
// names boot files to the last two.
var faultsBesideAnother = []fault{
	{name: "snooping", plainROM: true, filters: []lab.Filter{lab.SnoopDHCP(anotherServer)},
		kind: "offer-ignored", cause: "DHCP snooping", says: []string{"10.77.0.2"}, remedy: []string{"option 66 (next-server) 10.77.0.1", "option 67 (boot file) undionly.kpxe"}},
	{name: "no-offer", plainROM: true, filters: []lab.Filter{lab.SnoopDHCP(lab.DefaultServer.Addr())},
		kind: "no-address", cause: "10.77.0.2", remedy: []string{"52:54:00:00:01:02"}},
	{name: "other-boot-server", plainROM: true,
		kind: "offer-ignored", says: []string{"a boot file that 10.77.0.2 names"}, remedy: []string{"bootes dhcp-snippet"}},
	{name: "other-boot-file", plainROM: true,
		kind: "wrong-boot-file", cause: "the DHCP server 10.77.0.2 names that file", says: []string{"pxelinux.0"}, remedy: []string{"undionly.kpxe"}},
}

// faultsAlone are met by a proxy where no other DHCP server is.
var faultsAlone = []fault{
	{name: "no-dhcp-server", plainROM: true,
		kind: "no-address", cause: "no DHCP server is heard on br0", remedy: []string{"dhcp: server", "bootes dhcp-status"}},
}

var faultsOfPortal = []fault{
	{name: "wrong-portal",
		kind: "no-login", cause: "portal: names 10.77.0.250, where this server is not", remedy: []string{"portal: of br0"}},
}

var anotherServer = netip.MustParseAddr("10.77.0.2")

// besideAnother starts another DHCP server.
func (f *fixture) besideAnother() {
	f.otherServer("52:54:00:00:00:02", anotherServer.String(), "10.77.0.50", "10.77.0.90", "--no-ping",
		"--dhcp-host="+macOf(3)+",set:server", "--dhcp-boot=tag:server,pxelinux.0,,10.77.0.2",
		"--dhcp-host="+macOf(4)+",set:file", "--dhcp-boot=tag:file,pxelinux.0,,10.77.0.1")
}

// asServer damages an image, and uses the pool of addresses up.
func (f *fixture) asServer() {
	f.damage("damaged:1", func(data string) error { return os.Truncate(data, 1<<20) })
	f.damage("rotten:1", func(data string) error { return flip(data, 512) })
	f.takeLastAddress()
}

// takeLastAddress has a system of no interest lease the pool's only address.
func (f *fixture) takeLastAddress() {
	f.t.Helper()
	const mac = "52:54:00:00:00:aa"
	f.cli("machine", "add", "desk", "--mac", mac, "--image", stopsRef)
	desk, err := f.Net.NewHost(mac, netip.MustParseAddr("10.77.0.9"))
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Script(f.t.Context(), desk, mac); err != nil {
		f.t.Fatal(err)
	}
}
