package boot

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/loaders/loaderstest"
	"bootes.dev/internal/recorder"
)

// old is an iPXE, such as a NIC's own, without iSCSI.
func (h *house) old(mac string, fw loaders.Firmware) Answer {
	return h.says(mac, Client{Firmware: fw, IPXE: true, Features: []byte{0x15, 0x13, 0x17}})
}

func (h *house) says(mac string, c Client) Answer {
	h.later(2e9)
	c.MAC, c.Interface, c.Server, c.Discover = parseMAC(mac), "br0", server, true
	return h.DHCP(h.t.Context(), c)
}

func (h *house) fetches(name string) {
	h.LoaderFetched(h.t.Context(), Fetched{Name: name, Proto: "TFTP", Remote: addr1, Bytes: 100})
}

// told reports whether the newest boot of pc1 has an event that holds text.
func (h *house) told(text string) bool {
	h.t.Helper()
	for _, e := range h.Recorder.Boots("pc1")[0].Events {
		if strings.Contains(e.Text, text) {
			return true
		}
	}
	return false
}

const script1 = "http://10.77.0.1/ipxe/52-54-00-00-00-01"

// An iPXE that cannot do what the plan needs is given another one, which can.
func TestPoorIPXEIsChainloaded(t *testing.T) {
	for fw, loader := range map[loaders.Firmware]string{loaders.BIOS: "undionly.kpxe", loaders.EFI64: "snponly.efi"} {
		h := newHouse(t)
		if got := h.old(mac1, fw).Filename; got != loader {
			t.Errorf("%s: told %q, want %s", fw, got, loader)
		}
		if !h.told("its iPXE was built without iSCSI, so it is given another one") {
			t.Errorf("%s: nothing is said: %+v", fw, h.Recorder.Boots("pc1")[0].Events)
		}
		h.fetches(loader)
		if got := h.says(mac1, Client{Firmware: fw, IPXE: true, Features: []byte{0x11, 0x13}}).Filename; got != script1 {
			t.Errorf("%s: the full one is told %q", fw, got)
		}
	}
}

func TestLacks(t *testing.T) {
	for features, want := range map[string]string{
		"": "", "\x13\x11": "", "\x13\x15": "iSCSI", "\x11": "HTTP", "\x15": "HTTP and iSCSI",
	} {
		if got := (Client{Features: []byte(features)}).lacks(); got != want {
			t.Errorf("% x lacks %q, want %q", features, got, want)
		}
	}
}

func TestPoorIPXEWithoutRemedy(t *testing.T) {
	h := newHouse(t)
	h.Loaders = loaders.NewFolders()
	got := h.old(mac1, loaders.EFI64)
	if got.Filename != "" || !strings.HasPrefix(got.Reason, "no loader for its firmware (UEFI x86-64): ") || !h.told(got.Reason) {
		t.Errorf("%+v; %+v", got, h.Recorder.Boots("pc1")[0].Events)
	}
}

// A loader that is no better than what loaded it: the third time its file is a
// message.
func TestLoopOfPoorLoaders(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, false)
	h.fetches("undionly.kpxe") // by the ROM
	for range maxReloads {
		h.old(mac1, loaders.BIOS)
		if f := h.File(t.Context(), "undionly.kpxe", addr1, server); f != (File{Name: "undionly.kpxe"}) {
			t.Fatalf("ended too early: %+v", f)
		}
		h.fetches("undionly.kpxe")
	}
	h.old(mac1, loaders.BIOS)
	f := h.File(t.Context(), "undionly.kpxe", addr1, server)
	for _, want := range []string{"#!ipxe\n", "echo Bootes: pc1 has loaded undionly.kpxe 2 times, and would for ever:\n", "without iSCSI. Remedy: put a build of iPXE", "bootes boot log pc1"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("the screen lacks %q:\n%s", want, f.Text)
		}
	}
	if !h.told("a loop is broken: iPXE has loaded undionly.kpxe 2 times, and would for ever: undionly.kpxe is iPXE without iSCSI. Remedy: ") {
		t.Errorf("not recorded: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
	if d := h.diagnosed("pc1"); d.Kind != diagnose.LoaderLoop || d.Causes[0].Text != "undionly.kpxe is iPXE without iSCSI" {
		t.Errorf("%+v", d)
	}
	if f := h.File(t.Context(), "snponly.efi", addr1, server); f.Text != "" {
		t.Errorf("another file is a message, too: %s", f.Text)
	}
	// Switched off and on, it is given its chance again.
	h.discover(mac1, loaders.BIOS, false)
	if f := h.File(t.Context(), "undionly.kpxe", addr1, server); f.Text != "" {
		t.Errorf("the next boot gets the message: %s", f.Text)
	}
}

// A foreign server names the loader to iPXE, too, which prefers that to its
// script: it is sent on, and if that is of no use, stopped.
func TestLoopByAnotherServer(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, false)
	h.fetches("undionly.kpxe")
	for range maxReloads {
		h.discover(mac1, loaders.BIOS, true)
		f := h.File(t.Context(), "undionly.kpxe", addr1, server)
		if !strings.HasPrefix(f.Text, "#!ipxe\nchain http://10.77.0.1/ipxe/${netX/mac:hexhyp} ||\n") {
			t.Errorf("it is not sent on to its script, but gets %+v", f)
		}
		h.fetches("undionly.kpxe")
	}
	if !h.told("iPXE asks for undionly.kpxe, which is what firmware is told (by another DHCP server, or by an OFFER of ours to its firmware): it is sent on to its script instead") {
		t.Errorf("not recorded: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
	if f := h.File(t.Context(), "wimboot", addr1, server); f.Text != "" {
		t.Errorf("another file is a script, too: %s", f.Text)
	}
	h.discover(mac1, loaders.BIOS, true)
	f := h.File(t.Context(), "undionly.kpxe", addr1, server)
	if !strings.Contains(f.Text, "another DHCP server names that file to iPXE, too") {
		t.Errorf("the screen shows:\n%s", f.Text)
	}
}

// Firmware that tries again and again is not iPXE, and a text would help it
// nothing.
func TestFirmwareIsNoLoop(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		h.discover(mac1, loaders.EFI64, false)
		if f := h.File(t.Context(), "snponly.efi", addr1, server); f.Text != "" {
			t.Fatalf("firmware was sent %s", f.Text)
		}
		h.fetches("snponly.efi")
	}
}

// Whoever wants option 175 is iPXE: without its marks it is given the loader
// once, and then its script.
func TestIPXEWithoutItsMarks(t *testing.T) {
	h := newHouse(t)
	masked := Client{Firmware: loaders.BIOS, AsksAsIPXE: true}
	for range 2 {
		if got := h.says(mac1, masked).Filename; got != "undionly.kpxe" {
			t.Fatalf("at first it is told %q", got)
		}
	}
	h.fetches("undionly.kpxe")
	for range 2 {
		if got := h.says(mac1, masked).Filename; got != script1 {
			t.Fatalf("then it is told %q", got)
		}
	}
	if !h.told("something between it and this server takes options 77 and 175 out of its messages") {
		t.Error("not recorded")
	}
	if _, text := h.script(mac1, addr1); !strings.Contains(text, "sanboot") {
		t.Errorf("script:\n%s", text)
	}
}

func TestPinnedLoader(t *testing.T) {
	h := newHouse(t)
	h.Loaders = loaders.NewFolders(debian, release)
	pin := func(name string) {
		t.Helper()
		if _, err := h.Inventory.SetMachine(t.Context(), "pc1", func(m *inventory.Machine) error { m.Loader = name; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	pin("x86_64-sb/snponly-shim.efi")
	if got := h.discover(mac1, loaders.EFI64, false).Filename; got != "x86_64-sb/snponly-shim.efi" {
		t.Errorf("told %q", got)
	}
	if got := h.discover(mac1, loaders.HTTP64, false).Filename; got != "http://10.77.0.1/loader/x86_64-sb/snponly-shim.efi" {
		t.Errorf("told %q", got)
	}
	if got := h.discover(mac1, loaders.EFI64, true).Filename; got != script1 {
		t.Errorf("iPXE is told %q", got)
	}
	pin("gone.efi")
	const want = "its loader gone.efi is in no folder of loaders: put it back, or let the server choose: `bootes machine set NAME --loader auto`"
	if got := h.discover(mac1, loaders.EFI64, false); got.Filename != "" || got.Reason != want {
		t.Errorf("%+v", got)
	}
}

// What the folders lack is said where the machine's boot is shown.
func TestLackIsRecorded(t *testing.T) {
	h := newHouse(t)
	reason := h.discover(mac1, loaders.EFIARM64, false).Reason
	e := h.Recorder.Boots("pc1")[0].Events
	if last := e[len(e)-1]; last.Text != reason || last.Level != recorder.Error {
		t.Errorf("%+v, want an error: %s", last, reason)
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	h := newHouse(t)
	missing := func(name string) {
		h.LoaderFetched(t.Context(), Fetched{Name: name, Proto: "TFTP", Remote: addr1, Err: &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}})
	}
	h.discover(mac1, loaders.EFI64, false)
	missing("grubx64.efi")
	missing("x86_64-sb/revocations_sku.efi")
	if !h.told("asks by TFTP for grubx64.efi, which no folder of loaders has") || h.told("revocations") {
		t.Errorf("%+v", h.Recorder.Boots("pc1")[0].Events)
	}
	h = newHouse(t)
	h.discover(mac1, loaders.RaspberryPi, false)
	missing("12345678/recovery.elf")
	if h.told("recovery.elf") {
		t.Errorf("a Pi's habits are recorded: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
}

func TestFiles(t *testing.T) {
	own := loaders.Folder{Path: "/srv/own", FS: fstest.MapFS{"custom/autoexec.ipxe": {Data: []byte("#!ipxe\n")}}}
	pi := loaders.Folder{Path: "/srv/pi", FS: fstest.MapFS{"rpi/config.txt": loaderstest.KPXE, "rpi/start4.elf": loaderstest.KPXE, "rpi/1234abcd/config.txt": loaderstest.KPXE}}
	h := newHouse(t)
	h.Loaders = loaders.NewFolders(debian, release, own, pi)
	h.discover(mac1, loaders.EFI64, false)
	h.attempts.current("pc1").loader = "x86_64-sb/snponly-shim.efi"
	h.discover(mac2, loaders.RaspberryPi, false)
	for _, tt := range []struct {
		name   string
		remote int
		want   string
	}{
		{"undionly.kpxe", 1, "undionly.kpxe"},
		{"snponly.efi", 1, "x86_64-sb/snponly.efi"}, // the shim's second stage, asked for at the top
		{"ipxe.efi", 1, "x86_64-sb/ipxe.efi"},
		{"x86_64-sb/ipxe.efi", 1, "x86_64-sb/ipxe.efi"},
		{"snponly.efi", 2, "snponly.efi"},
		{"none.efi", 1, "none.efi"},
		{"custom/autoexec.ipxe", 1, "custom/autoexec.ipxe"},
		{"1234abcd/config.txt", 2, "rpi/1234abcd/config.txt"},
		{"0000abcd/config.txt", 2, "rpi/config.txt"},
		{"dc-a6-32-00-00-01/start4.elf", 0, "rpi/start4.elf"},
		{"start4.elf", 2, "rpi/start4.elf"},
		{"start4.elf", 1, "start4.elf"},
		{"1234abcd/none.bin", 2, "1234abcd/none.bin"},
	} {
		remote := []string{"10.77.0.7", "10.77.0.101", "10.77.0.102"}[tt.remote]
		if got := h.File(t.Context(), tt.name, netip.MustParseAddr(remote), server); got != (File{Name: tt.want}) {
			t.Errorf("%s to %s: %+v, want %s", tt.name, remote, got, tt.want)
		}
	}
}

// U-Boot asks by its own type for a script of its own, then as UEFI.
func TestUBoot(t *testing.T) {
	h := newHouse(t)
	h.Loaders = loaders.NewFolders(release)
	for _, fw := range []loaders.Firmware{loaders.UBootARM64, loaders.EFIARM64} {
		if got := h.discover(mac1, fw, false).Filename; got != "arm64/snponly.efi" {
			t.Errorf("%s is told %q", fw, got)
		}
	}
	for _, name := range []string{"boot.scr.uimg", "dtb"} {
		h.LoaderFetched(t.Context(), Fetched{Name: name, Proto: "TFTP", Remote: addr1, Err: fs.ErrNotExist})
	}
	if h.told("which no folder of loaders has") {
		t.Errorf("its habits are recorded: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
	h.fetches("arm64/snponly.efi")
	for end := time.Now().Add(5 * time.Second); !h.told("then silence") && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if h.told("Secure Boot") {
		t.Errorf("Secure Boot is blamed: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
}

func TestAutoexec(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.EFI64, false)
	for _, name := range []string{"autoexec.ipxe", "x86_64-sb/autoexec.ipxe"} {
		f := h.File(t.Context(), name, addr1, server)
		for _, want := range []string{"#!ipxe\n", "iseq ${net${i}/mac} " + mac1 + " ||", "chain http://10.77.0.1/ipxe/${netX/mac:hexhyp} ||"} {
			if !strings.Contains(f.Text, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, f.Text)
			}
		}
	}
	if f := h.File(t.Context(), "autoexec.ipxe", netip.MustParseAddr("10.77.0.7"), server); strings.Contains(f.Text, "iseq") || !strings.Contains(f.Text, "dhcp ||") {
		t.Errorf("for somebody unknown:\n%s", f.Text)
	}
	h.fetches("autoexec.ipxe")
	h.fetches("autoexec.ipxe")
}

// TestNothingArrivesByHTTP: full packets that do not get through are as telling by
// HTTP as by TFTP, until a file has come by packets as long.
func TestNothingArrivesByHTTP(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.HTTP64, true)
	f := Fetched{Name: "snponly.efi", Proto: "HTTP", Remote: addr1, Packet: 1500, Resent: 4, Answered: true, Err: errors.New("client closed the connection")}
	h.LoaderFetched(t.Context(), f)
	a := h.attempts.current("pc1")
	if got := a.seen.Loader.Stuck; got != 1500 {
		t.Errorf("stuck are packets of %d bytes, want 1500", got)
	}
	const want = "HTTP transfer of snponly.efi broke off after 0 bytes, 4 packets of it sent again: client closed the connection"
	if e := h.Recorder.Boots("pc1")[0].Events; e[len(e)-1].Text != want {
		t.Errorf("%q, want %q", e[len(e)-1].Text, want)
	}
	f.Err, f.Bytes = nil, 200000
	h.LoaderFetched(t.Context(), f)
	if got := a.seen.Loader.Stuck; got != 0 {
		t.Errorf("the file has come, and packets of %d bytes are stuck", got)
	}
}
