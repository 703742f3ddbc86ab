package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/needs"
	"bootes.dev/internal/netif/nettest"
	"bootes.dev/internal/simulate"
)

// liveServer is a whole server in this process, in a network namespace of its own.
type liveServer struct {
	t      *testing.T
	socket string
}

// liveOn serves br0 with those lines of config, and has pc01 boot an image that
// only a BIOS runs.
func liveOn(t *testing.T, lines string) *liveServer {
	t.Helper()
	if _, err := os.Stat("/usr/lib/ipxe/snponly.efi"); err != nil {
		needs.Skip(t, "needs Debian's package ipxe: %v", err)
	}
	dir := t.TempDir()
	s := &liveServer{t, filepath.Join(dir, "s")}
	config := filepath.Join(dir, "bootes.yaml")
	text := fmt.Sprintf("data: %s/data\napi: {socket: %s, group: root}\nlimits: {min_free: 1M}\ninterfaces:\n  - name: br0\n%s", dir, s.socket, lines)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var said bytes.Buffer
	var server sync.WaitGroup
	server.Go(func() { run(ctx, []string{"serve", "--config", config}, &said, &said) })
	t.Cleanup(func() {
		end()
		server.Wait()
		if t.Failed() {
			t.Logf("the server:\n%s", &said)
		}
	})
	eventually(t, "a server that answers", func() bool {
		_, _, code := bootes(t, "--socket", s.socket, "machine", "list")
		return code == exitOK
	})
	disk := make([]byte, 4<<20)
	disk[0], disk[510], disk[511] = 0xeb, 0x55, 0xaa
	if err := os.WriteFile(filepath.Join(dir, "disk"), disk, 0o600); err != nil {
		t.Fatal(err)
	}
	s.cli(exitOK, "image", "import", "debian:12", filepath.Join(dir, "disk"))
	s.cli(exitOK, "machine", "add", "pc01", "--mac", "52:54:00:12:34:56", "--image", "debian:12")
	return s
}

// cli runs a command, which must end with that code, and returns what it shows.
func (s *liveServer) cli(want int, args ...string) string {
	s.t.Helper()
	out, errs, code := bootes(s.t, append([]string{"--socket", s.socket}, args...)...)
	if code != want {
		s.t.Errorf("%q: code %d, not %d\n%s%s", args, code, want, out, errs)
	}
	return out + errs
}

// shows fails unless a text holds all those phrases, in that order.
func shows(t *testing.T, text string, phrases ...string) {
	t.Helper()
	rest := text
	for _, p := range phrases {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Errorf("no %q, or not there, in\n%s", p, text)
			return
		}
		rest = after
	}
}

func TestSimulate(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.Join(t, "br0", "02:00:00:00:00:09", "")
	s := liveOn(t, "    dhcp: server\n    force: true\n    range: 10.77.0.100-10.77.0.199\n")

	shows(t, s.cli(exitOK, "simulate", "pc01", "--firmware", "bios"),
		"pc01 (52:54:00:12:34:56) starts from a BIOS, asking on br0\n\nfirmware\n  1 ▶ DISCOVER  PXEClient:Arch:00000:UNDI:002001, architecture 0\n",
		"◀ OFFER     from 10.77.0.1", "boot file undionly.kpxe from 10.77.0.1; PXEClient\n", "option 43 says: fetch the file that is named here\n",
		"▶ TFTP      tftp://10.77.0.1/undionly.kpxe, its size first, as firmware does\n", "bytes in ", "it is iPXE\n",
		"\niPXE\n", `user class "iPXE"`, "option 175 spares iPXE its wait for a proxy\n",
		"\nscript\n", "▶ HTTP      http://10.77.0.1/ipxe/52-54-00-12-34-56\n", "screen    Bootes: pc01 boots debian:12, persistent\n",
		"\ndisk\n", ":simulate:", "by mutual CHAP as simulate:", "logged in\n", "read-only, and the machine does not notice\n",
		"LUN 0: 4194304 bytes, in blocks of 512\n", "its first sector has a boot signature and boot code\n",
		"the server says of this\n", "OFFER 10.77.0.", "script made: debian:12, a new persistent volume, of which this shows the image\n",
		"\nit would boot: the disk iscsi:10.77.0.1:::0:iqn.")
	shows(t, s.cli(exitFaulty, "simulate", "pc01"),
		"loader    it is iPXE for UEFI on x86-64, not signed\n", "with Secure Boot on firmware refuses it\n", "✗ it has no EFI system partition\n",
		"it would not boot: the disk opens, and iPXE under UEFI on x86-64 would run nothing from it: it has no EFI system partition\n",
		"remedy: the machine has to start by a BIOS, or its image be made for UEFI, too", "bootes: it would not boot\n")
	shows(t, s.cli(exitFaulty, "simulate", "pc01", "--firmware", "http"),
		"HEAD http://10.77.0.1/loader/snponly.efi\n", "application/efi\n", "many makers' firmware refuses http:", "it has no EFI system partition")
	shows(t, s.cli(exitFaulty, "simulate", "--mac", "52:54:00:00:00:99", "--wait", "1s"), "✗ no server told UEFI on x86-64 what to fetch\n",
		"remedy: as the server says: nothing to boot: unknown machine: it gets no boot. To add it: bootes machine add NAME --mac 52:54:00:00:00:99 --image debian:12\n")
	shows(t, s.cli(exitFaulty, "simulate", "pc01", "--firmware", "arm64", "--wait", "1s"), "as the server says: nothing to boot: no loader for its firmware (UEFI arm64)")
	shows(t, s.cli(exitFaulty, "simulate", "pc01", "--firmware", "uboot", "--wait", "1s"), "DISCOVER  ", "architecture 22\n", "as the server says: nothing to boot: no loader for its firmware (")

	var r simulate.Report
	out, _, code := bootes(t, "--socket", s.socket, "simulate", "pc01", "--firmware", "ipxe-bios", "-o", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || r.Machine != "pc01" || r.Verdict.Outcome != simulate.Boots || len(r.Steps) < 8 || r.Steps[0].What != "DISCOVER" {
		t.Errorf("%v, code %d:\n%s", err, code, out)
	}

	// Without the server's leave.
	out, errs, code := bootes(t, "--socket", s.socket+"-none", "simulate", "--mac", "52:54:00:12:34:56", "--firmware", "ipxe")
	if code != exitUnclear {
		t.Errorf("code %d", code)
	}
	shows(t, out+errs, "note: no Boötes answers on this computer: the script of a Boötes, and what comes after it, will not be seen\n",
		"✗ the web server answers 403 Forbidden: this script is another machine's\n",
		"it cannot be told from here: the server gives this machine's script, which holds the key to its disk, to the machine alone\n",
		"remedy: run `bootes simulate` on the server, as a user who may use its socket: there it goes on\n",
		"bootes: whether it boots cannot be told from here\n")

	// Nothing of all that is left.
	shows(t, s.cli(exitNotFound, "boot", "pcap", "52:54:00:12:34:56"), `no packets of "52:54:00:12:34:56" are kept`)
	if out := s.cli(exitOK, "lease", "ls"); strings.Contains(out, "10.77") {
		t.Errorf("leases:\n%s", out)
	}
	if out := s.cli(exitOK, "boot", "log", "pc01"); !strings.HasPrefix(out, "pc01 has not been seen yet") {
		t.Errorf("boots:\n%s", out)
	}
	shows(t, s.cli(exitFaulty, "simulate", "pc01", "--firmware", "ipxe", "--lease"), "note: the DHCP server keeps the lease until it ends\n",
		"▶ REQUEST   takes 10.77.0.", "◀ ACK", "the lease stays until it ends\n")
	shows(t, s.cli(exitOK, "lease", "ls"), "52:54:00:12:34:56", "bound")
}

// startDnsmasq runs dnsmasq on another host until the test ends.
func startDnsmasq(t *testing.T, at *nettest.Peer, args ...string) {
	t.Helper()
	cmd := at.Command(context.Background(), "dnsmasq", append([]string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--interface=eth0", "--bind-interfaces", "--no-ping", "--pid-file",
		"--dhcp-leasefile=" + filepath.Join(t.TempDir(), "leases"), "--log-facility=-",
	}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	time.Sleep(300 * time.Millisecond) // it does not say when it is ready
}

// TestSimulateBesideDnsmasq follows offers of two servers: of the site's, which
// gives addresses and names a script of its own, and of Boötes as a proxy.
func TestSimulateBesideDnsmasq(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Need(t, "dnsmasq")
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	site := nettest.Join(t, "br0", "02:00:00:00:00:02", "10.77.0.2/24")
	root := t.TempDir()
	for name, text := range map[string]string{
		"site.ipxe":  "#!ipxe\necho the site's own menu\nmenu Site\nitem a Alpha\nitem b Beta\nchoose --default b --timeout 5000 what || exit 1\nchain ${what}.ipxe || goto failed\n:failed\nexit 1\n",
		"pxelinux.0": "PXELINUX 6.04",
		"config.txt": "arm_64bit=1\nkernel=kernel8.img\n",
		"b.ipxe":     "#!ipxe\nkernel linux root=/dev/nfs || goto none\nboot\n:none\necho no kernel here\nreboot\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	startDnsmasq(t, site, "--dhcp-range=10.77.0.50,10.77.0.90,1h", "--enable-tftp", "--tftp-root="+root,
		"--dhcp-match=set:ipxe,175", "--dhcp-boot=tag:ipxe,site.ipxe",
		"--dhcp-mac=set:old,52:54:00:00:00:78", "--dhcp-boot=tag:old,pxelinux.0",
		"--dhcp-mac=set:pi,dc:a6:32:*:*:*", "--pxe-service=tag:pi,0,Raspberry Pi Boot")
	foreign := func(want int, firmware, mac string) string {
		t.Helper()
		out, errs, code := bootes(t, "--socket", "/none", "simulate", "--mac", mac, "--firmware", firmware, "--interface", "br0", "--wait", "3s")
		if code != want {
			t.Errorf("code %d", code)
		}
		return out + errs
	}
	shows(t, foreign(exitUnclear, "rpi", "dc:a6:32:00:00:01"), "no boot file; PXEClient\n", "tftp://10.77.0.2/32000001/config.txt\n",
		"a Pi looks in the folder with its serial number first\n", "tftp://10.77.0.2/config.txt\n", "it names: kernel8.img\n")
	shows(t, foreign(exitUnclear, "bios", "52:54:00:00:00:78"), "tftp://10.77.0.2/pxelinux.0", "loader    it is PXELINUX\n",
		"it cannot be told from here: all is well as far as this looks: firmware gets tftp://10.77.0.2/pxelinux.0 and runs it; it is PXELINUX. "+
			"Here it ends, because only iPXE is played on: PXELINUX fetches ldlinux.c32 next, and its menu, pxelinux.cfg/01-52-54-00-00-00-78 or default, both from beside itself\n",
		"remedy: what it asks for after that, the log of the server at 10.77.0.2 says when a machine boots")
	shows(t, foreign(exitFaulty, "ipxe", "52:54:00:00:00:77"), "OFFER     from 10.77.0.2 (02:00:00:00:00:02): address 10.77.0.", "boot file site.ipxe from 10.77.0.2",
		"tftp://10.77.0.2/site.ipxe\n", "screen    the site's own menu\n", "menu      b (Beta)\n", "its time-out takes it\n", "chain tftp://10.77.0.2/b.ipxe\n",
		"kernel tftp://10.77.0.2/linux\n", "the TFTP server refuses: file ", "screen    no kernel here\n",
		"it would not boot: the machine boots nothing, and shows: the site's own menu / no kernel here\n")

	s := liveOn(t, "    dhcp: proxy\n")
	shows(t, s.cli(exitFaulty, "simulate", "pc01", "--wait", "4s"), "OFFER", "▶ REQUEST   to 10.77.0.1, port 4011: what to fetch?\n",
		"◀ ACK       from 10.77.0.1, port 4011: no address: a proxy; boot file snponly.efi from 10.77.0.1; PXEClient\n",
		"it is iPXE for UEFI", "http://10.77.0.1/ipxe/52-54-00-12-34-56", "it has no EFI system partition")
	shows(t, s.cli(exitOK, "simulate", "pc01", "--firmware", "bios", "--wait", "4s"), "no address: a proxy; boot file undionly.kpxe from 10.77.0.1; PXEClient\n",
		"it is iPXE\n", "boot file site.ipxe", "http://10.77.0.1/ipxe/52-54-00-12-34-56\n", "it would boot: the disk ")
}

func TestSimulateRefuses(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "MACHINE is missing: name a machine, or any computer by --mac"},
		{"pc01 --mac 52:54:00:12:34:56", exitUsage, "MACHINE and --mac exclude each other: give one"},
		{"--mac x", exitUsage, `--mac "x" is no MAC address: write one such as 52:54:00:12:34:56`},
		{"--mac 52:54:00:12:34:56 --firmware amiga", exitUsage, `--firmware "amiga" is no kind of firmware: write one of bios, efi,`},
		{"--mac 52:54:00:12:34:56 --uuid x", exitUsage, `--uuid "x" is no UUID: write one such as 67452301-ab89-efcd-0123-456789abcdef`},
		{"--mac 52:54:00:12:34:56 --wait 1h", exitUsage, "--wait 1h0m0s is no time to wait here: write one from 1s to 5m"},
		{"--mac 52:54:00:12:34:56 --interface eth7", exitNotFound, `find interface "eth7": no such interface`},
	} {
		_, errs, code := bootes(t, append([]string{"--socket", "/none", "simulate"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: code %d, %s", tt.args, code, errs)
		}
	}
}

func TestSimulateSaysWhatIsNotSeen(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&api.Unreachable{Err: fs.ErrPermission}, "this user may not use the server's socket: the script of a Boötes, and what comes after it, will not be seen"},
		{&api.Unreachable{Err: fs.ErrNotExist}, "no Boötes answers on this computer: the script"},
		{errors.New("64 simulations are under way: wait for one of them to end"), "the server makes no ticket: 64 simulations are under way: wait for one of them to end: the script"},
	} {
		if got := noTicketText(tt.err); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s", got)
		}
	}
	if code := exitCode(simulateError(fmt.Errorf("open: %w", simulate.ErrPrivilege))); code != exitMissing {
		t.Errorf("without the right: code %d", code)
	}
}

func TestSimulateChoosesItsInterface(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	refused := func(want int, text string, args ...string) {
		t.Helper()
		_, errs, code := bootes(t, append([]string{"--socket", "/none", "simulate", "--mac", "52:54:00:12:34:56"}, args...)...)
		if code != want || !strings.Contains(errs, text) {
			t.Errorf("%q: code %d, %s", args, code, errs)
		}
	}
	refused(exitNotFound, "no interface of this computer is up and has an IPv4 address: there is nowhere to ask")
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	if name, err := simulatedOn("", nil); err != nil || name != "br0" {
		t.Errorf("the only one: %q, %v", name, err)
	}
	nettest.Bridge(t, "br1", "10.78.0.1/24")
	refused(exitUsage, "this computer has several interfaces to ask on: write --interface br0 or --interface br1")
	if name, err := simulatedOn("", []netip.Addr{netip.MustParseAddr("10.78.0.1")}); err != nil || name != "br1" {
		t.Errorf("the one that is served: %q, %v", name, err)
	}
	nettest.IP(t, "link add br2 type bridge")
	nettest.IP(t, "link set br2 up")
	refused(exitFailure, `simulate on interface "br2": it has no IPv4 address, from which loader, script and disk could be asked for: ip addr add ADDRESS/LENGTH dev br2`, "--interface", "br2")
	out, errs, code := bootes(t, "--socket", "/none", "simulate", "--mac", "52:54:00:12:34:56", "--interface", "br0", "--wait", "1s")
	if code != exitFaulty {
		t.Errorf("on a network without servers: code %d", code)
	}
	shows(t, out+errs, "✗ nobody answered within 1s\n", "it would not boot: no DHCP server answers this machine\n", "`bootes dhcp-status`, `bootes doctor`")
}
