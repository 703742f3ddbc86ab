package boot

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/loaders/loaderstest"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/store"
)

// The folders of Debian 12's package ipxe, and of an iPXE release.
var (
	debian  = loaders.Folder{Path: "/usr/lib/ipxe", FS: loaderstest.Debian}
	release = loaders.Folder{Path: "/srv/ipxe", FS: loaderstest.Release}
)

const (
	mac1   = "52:54:00:00:00:01"
	mac2   = "52:54:00:00:00:02"
	prefix = "iqn.2026-01.dev.bootes"
)

var (
	addr1  = netip.MustParseAddr("10.77.0.101")
	addr2  = netip.MustParseAddr("10.77.0.102")
	server = netip.MustParseAddr("10.77.0.1")
)

// disks keeps volumes as records only.
type disks struct {
	inv       *inventory.Inventory
	discarded []string
}

func (d *disks) CreateVolume(ctx context.Context, machine, ref string, mode inventory.Mode, boot string) (inventory.Volume, error) {
	if mode == inventory.Persistent {
		boot = ""
	}
	if v, err := d.inv.FindVolume(ctx, machine, ref, mode, boot); err == nil {
		return v, nil
	}
	im, err := d.inv.Resolve(ctx, ref)
	if err != nil {
		return inventory.Volume{}, err
	}
	return d.inv.AddVolume(ctx, inventory.Volume{
		ID: inventory.NewVolumeID(machine), Machine: machine, Ref: ref, Image: im.Ref(), Digest: im.Digest, Layer: im.Layer, Mode: mode, Boot: boot,
	})
}

func (d *disks) Discard(ctx context.Context, gone inventory.Superseded) error {
	for _, v := range gone.Volumes {
		d.discarded = append(d.discarded, v.ID)
		if _, err := d.inv.DropVolume(ctx, v.ID); err != nil {
			return err
		}
	}
	return nil
}

type house struct {
	*Service
	t     *testing.T
	store *store.Store
	disks *disks

	mu    sync.Mutex
	clock time.Time // whose write may meet a goroutine's read: by later
}

// later lets time pass, also for goroutines of the service.
func (h *house) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// newHouse has machine pc1 (persistent, mac1) and pc2 (ephemeral, mac2).
func newHouse(t *testing.T) *house {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	inv := inventory.New(st)
	if _, err := inv.AddImage(t.Context(), inventory.Image{Name: "debian", Tag: "12", Layer: "layer-1", Digest: "sha256:00", Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []inventory.Machine{
		{Name: "pc1", MACs: []string{mac1}, Image: "debian:12", Mode: inventory.Persistent},
		{Name: "pc2", MACs: []string{mac2}, Image: "debian:12", Mode: inventory.Ephemeral},
	} {
		if _, err := inv.AddMachine(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	d := &disks{inv: inv}
	s := New(Options{
		Inventory: inv, Disks: d, Recorder: recorder.New(log), Log: log, Loaders: loaders.NewFolders(debian),
		Locate: func(_ context.Context, a netip.Addr) (net.HardwareAddr, bool) {
			mac, ok := map[netip.Addr]string{addr1: mac1, addr2: mac2}[a]
			return parseMAC(mac), ok
		},
		IQNPrefix: prefix, HTTPPort: 80, ISCSIPort: 3260, Patience: func(recorder.Stage, recorder.Usual) time.Duration { return 20 * time.Millisecond },
	})
	t.Cleanup(s.Close)
	h := &house{Service: s, t: t, store: st, disks: d, clock: time.Now()}
	s.now = func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.clock
	}
	return h
}

func parseMAC(s string) net.HardwareAddr {
	mac, _ := net.ParseMAC(s)
	return mac
}

func (h *house) discover(mac string, fw loaders.Firmware, ipxe bool) Answer {
	h.later(2 * time.Second)
	return h.DHCP(h.t.Context(), Client{MAC: parseMAC(mac), Interface: "br0", Server: server, Firmware: fw, IPXE: ipxe, Discover: true})
}

// script asks for pc's script and returns its CHAP user.
func (h *house) script(mac string, from netip.Addr) (user, text string) {
	h.t.Helper()
	text, err := h.Script(h.t.Context(), Asker{MAC: parseMAC(mac), Remote: from, Local: server})
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if u, ok := strings.CutPrefix(line, "set username "); ok {
			user = strings.TrimSpace(u)
		}
	}
	return user, text
}

func (h *house) admit(user string) (*Admitted, error) {
	return h.Admit(h.t.Context(), initiatorOf(user), user)
}

// initiatorOf is who logs in by a boot's credentials.
func initiatorOf(user string) Initiator {
	machine := user[:strings.LastIndexByte(user, '-')]
	from := map[string]netip.Addr{"pc1": addr1, "pc2": addr2}[machine]
	return Initiator{Name: prefix + ":init:" + machine, Target: prefix + ":" + machine, Remote: from}
}

func TestLoaderByFirmware(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		fw   loaders.Firmware
		ipxe bool
		want Answer
	}{
		{loaders.BIOS, false, Answer{Filename: "undionly.kpxe"}},
		{loaders.EFI64, false, Answer{Filename: "snponly.efi"}},
		{loaders.HTTP64, false, Answer{Filename: "http://10.77.0.1/loader/snponly.efi"}},
		{loaders.EFIARM64, false, Answer{Reason: "no loader for its firmware (UEFI arm64): put iPXE's snponly.efi for arm64 as arm64/snponly.efi into a folder of loaders: in the config; there is none in /usr/lib/ipxe"}},
		{loaders.EFI64, true, Answer{Filename: "http://10.77.0.1/ipxe/52-54-00-00-00-01"}},
		{loaders.NoFirmware, false, Answer{}},
	} {
		tt.want.Machine, tt.want.Hostname, tt.want.Known = "pc1", "pc1", true
		if got := h.discover(mac1, tt.fw, tt.ipxe); got != tt.want {
			t.Errorf("%s, iPXE %v: %+v, want %+v", tt.fw, tt.ipxe, got, tt.want)
		}
	}
}

// A separate network for files, and one for disks, as the config may name them.
func TestAddressesOfAnInterface(t *testing.T) {
	h := newHouse(t)
	h.HTTPPort, h.ISCSIPort = 8080, 13260
	h.Addresses = map[string]Addresses{"br0": {
		HTTP: netip.MustParseAddr("10.1.0.1"), Portal: netip.MustParseAddr("10.2.0.1"),
	}}
	if got := h.discover(mac1, loaders.HTTP64, false).Filename; got != "http://10.1.0.1:8080/loader/snponly.efi" {
		t.Errorf("loader at %s", got)
	}
	if got := h.discover(mac1, loaders.BIOS, true).Filename; got != "http://10.1.0.1:8080/ipxe/52-54-00-00-00-01" {
		t.Errorf("script at %s", got)
	}
	if _, text := h.script(mac1, addr1); !strings.Contains(text, "sanboot iscsi:10.2.0.1::13260:0:"+prefix+":pc1 ||") {
		t.Errorf("disk elsewhere:\n%s", text)
	}
}

func TestStrangerIsToldHowToBeAdded(t *testing.T) {
	h := newHouse(t)
	const mac = "52:54:00:00:00:99"
	for range 3 {
		if a := h.discover(mac, loaders.BIOS, false); a.Known || a.Filename != "" {
			t.Errorf("a stranger is told to boot: %+v", a)
		}
	}
	boots := h.Recorder.Boots(mac)
	const want = "unknown machine: it gets no boot. To add it: bootes machine add NAME --mac 52:54:00:00:00:99 --image debian:12"
	n := 0
	for _, e := range boots[0].Events {
		if e.Text == want && e.Level == recorder.Warn {
			n++
		}
	}
	if len(boots) != 1 || n != 1 {
		t.Errorf("said %d times in %d boots, want once in one: %+v", n, len(boots), boots)
	}
	if _, text := h.script(mac, addr1); !strings.Contains(text, "bootes machine add NAME --mac "+mac) {
		t.Errorf("the screen does not say how to add it:\n%s", text)
	}
}

func TestScriptIsIdempotentWithinABoot(t *testing.T) {
	h := newHouse(t)
	h.discover(mac2, loaders.BIOS, true)
	_, first := h.script(mac2, addr2)
	if _, again := h.script(mac2, addr2); again != first {
		t.Errorf("asked twice:\n%s\nthen:\n%s", first, again)
	}
	h.discover(mac2, loaders.BIOS, true)
	if _, next := h.script(mac2, addr2); next == first {
		t.Error("the next boot got the same disk and credentials")
	}
}

func TestScriptOnlyForItsMachine(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		from netip.Addr
		want string
	}{
		{addr2, `script of "pc1" asked for from 10.77.0.102, which is 52:54:00:00:00:02: address is not that machine's`},
		{netip.MustParseAddr("10.77.0.7"), `script of "pc1" asked for from 10.77.0.7, whose MAC is unknown: address is not that machine's`},
	} {
		_, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac1), Remote: tt.from, Local: server})
		if !errors.Is(err, ErrForbidden) || err.Error() != tt.want {
			t.Errorf("from %s: %v, want %s", tt.from, err, tt.want)
		}
	}
}

func TestTroubleIsSaidOnTheScreen(t *testing.T) {
	h := newHouse(t)
	h.Disks = brokenDisks{}
	h.discover(mac2, loaders.BIOS, true)
	_, text := h.script(mac2, addr2)
	if !strings.Contains(text, "cannot boot pc2") || !strings.Contains(text, "disk on fire") || strings.Contains(text, "sanboot") {
		t.Errorf("script:\n%s", text)
	}
}

type brokenDisks struct{}

func (brokenDisks) CreateVolume(context.Context, string, string, inventory.Mode, string) (inventory.Volume, error) {
	return inventory.Volume{}, errors.New("disk on fire")
}
func (brokenDisks) Discard(context.Context, inventory.Superseded) error { return nil }

// A disk belongs to one boot: a newer login ends the older, an older one is
// refused, and nothing unauthenticated changes anything.
func TestWhoMayHoldTheDisk(t *testing.T) {
	h := newHouse(t)
	h.discover(mac2, loaders.BIOS, true)
	user1, _ := h.script(mac2, addr2)
	in := Initiator{Name: prefix + ":init:pc2", Target: prefix + ":pc2", Remote: addr2}
	ad1, err := h.admit(user1)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad1.Boot, Session{Remote: addr2, Firmware: true})

	// Power-cycled, or spoofed: a newer boot is pending.
	if _, text := h.script(mac2, addr2); strings.Contains(text, "password") {
		t.Errorf("a running machine is given a script with credentials:\n%s", text)
	}
	h.discover(mac2, loaders.EFI64, false)
	h.discover(mac2, loaders.BIOS, true)
	user2, _ := h.script(mac2, addr2)
	if user2 == user1 {
		t.Fatal("the new boot has the running boot's credentials")
	}
	if _, ok := h.Secret(t.Context(), user1); !ok {
		t.Error("a DISCOVER and a script request took the running machine's credentials")
	}
	if len(h.disks.discarded) != 0 {
		t.Errorf("disks %v removed under a running machine", h.disks.discarded)
	}
	if _, err := h.admit(user1); err != nil {
		t.Errorf("the running boot's second login was refused: %v", err)
	}

	ad2, err := h.admit(user2)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.disks.discarded) != 0 {
		t.Error("the old disk was removed before its sessions were ended")
	}
	h.Forget(t.Context(), ad2)
	if len(h.disks.discarded) != 1 || h.disks.discarded[0] != ad1.Boot.Volume {
		t.Errorf("discarded %v, want %s", h.disks.discarded, ad1.Boot.Volume)
	}
	if _, ok := h.Secret(t.Context(), user1); ok {
		t.Error("the older boot's credentials are still good")
	}
	h.LoginRefused(in, "nobody", "authentication failed")
	h.LoginRefused(in, user1, "authentication failed")
	h.LoginRefused(in, user1, "authentication failed")                                                                        // not said again
	events := slices.DeleteFunc(h.Recorder.Boots("pc2")[0].Events, func(e recorder.Event) bool { return e.Diagnosis != nil }) // which may come in between
	holds := fmt.Sprintf("refused: authentication failed; boot %s holds the disk since %s", user2, ad2.Boot.Held.Local().Format("2006-01-02 15:04:05"))
	if text := events[len(events)-2].Text; !strings.Contains(text, holds) {
		t.Errorf("recorder says %q, want %q", text, holds)
	}
	want := fmt.Sprintf("refused: boot %s is over, a newer one has begun; boot %s holds the disk since ", user1, user2)
	if last := events[len(events)-1]; !strings.Contains(last.Text, want) {
		t.Errorf("recorder says %q, want %q", last.Text, want)
	}
}

func TestPersistentDiskIsKept(t *testing.T) {
	h := newHouse(t)
	var volumes []string
	for range 2 {
		h.discover(mac1, loaders.BIOS, true)
		user, _ := h.script(mac1, addr1)
		ad, err := h.admit(user)
		if err != nil {
			t.Fatal(err)
		}
		h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
		h.Forget(t.Context(), ad)
		volumes = append(volumes, ad.Boot.Volume)
	}
	if volumes[0] != volumes[1] {
		t.Errorf("volumes %v, want the same twice", volumes)
	}
}

func said(h *house, mac, phrase string) bool {
	m, err := h.Inventory.MachineByMAC(context.Background(), mac)
	if err != nil {
		return false
	}
	for _, b := range h.Recorder.Boots(m.Name) {
		for _, e := range b.Events {
			if strings.Contains(e.Text, phrase) {
				return true
			}
		}
	}
	return false
}

func eventually(f func() bool) bool {
	for range 200 {
		if f() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestInIPXE(t *testing.T) {
	h := newHouse(t)
	check := func(when string, want bool) {
		t.Helper()
		if got := h.InIPXE(parseMAC(mac1)); got != want {
			t.Errorf("%s: in iPXE = %v, want %v", when, got, want)
		}
	}
	check("before all", false)
	h.discover(mac1, loaders.BIOS, false)
	check("in the ROM", false)
	h.discover(mac1, loaders.BIOS, true)
	check("in iPXE", true)
	h.script(mac1, addr1)
	check("with its script", false)
}

func TestStagesOfLogins(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		firmware bool
		mutual   bool
		stage    recorder.Stage
		text     string
	}{
		{true, true, recorder.StageLogin, "iPXE opened the disk, from 10.77.0.101, by mutual CHAP"},
		{true, false, recorder.StageLogin, "iPXE opened the disk again, from 10.77.0.101"},
		{false, false, recorder.StageKernel, "the operating system opened the disk, from 10.77.0.101"},
		{false, true, recorder.StageKernel, "the operating system opened the disk again, from 10.77.0.101, by mutual CHAP"},
	} {
		h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: tt.firmware, Mutual: tt.mutual})
		b := h.Recorder.Boots("pc1")[0]
		if last := b.Events[len(b.Events)-1].Text; b.Stage != tt.stage || last != tt.text {
			t.Errorf("stage %q, %q; want %q, %q", b.Stage, last, tt.stage, tt.text)
		}
	}
}

func TestIdentityDisk(t *testing.T) {
	h := newHouse(t)
	m, err := h.Inventory.Machine(t.Context(), "pc1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := IdentityDisk(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%512 != 0 {
		t.Errorf("%d bytes are no whole sectors", len(b))
	}
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		hd, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		files[hd.Name] = string(content)
	}
	if files["hostname"] != "pc1\n" || files["machine-id"] != m.Identity.MachineID+"\n" || len(files["seed"]) != seedLen {
		t.Errorf("files: %q", files)
	}
	if key := files["ssh/ssh_host_ed25519_key"]; !strings.HasPrefix(key, "-----BEGIN OPENSSH PRIVATE KEY-----") {
		t.Errorf("host key: %q", key)
	}
}

// What a client repeats is counted, and what its system is told by DHCP is on
// record once it may have one.
func TestRepeatsAndSystems(t *testing.T) {
	h := newHouse(t)
	c := Client{MAC: parseMAC(mac1), Interface: "br0", Server: server, Firmware: loaders.BIOS, Discover: true}
	system := Client{MAC: parseMAC(mac1), Interface: "br0", Server: server}
	for range 4 {
		h.DHCP(t.Context(), c)
		h.DHCPSent(c, "pc1", "OFFER 10.0.0.5, boot file undionly.kpxe", false)
		h.DHCPSent(system, "pc1", "ACK 10.0.0.5", false)
	}
	events := h.Recorder.Boots("pc1")[0].Events
	if len(events) != 2 || events[0].Again != 3 || events[1].Again != 3 {
		t.Errorf("want a DISCOVER and an OFFER, each again 3 times: %+v", events)
	}
	h.boots(mac1)
	h.DHCPSent(system, "pc1", "ACK 10.0.0.5", false)
	if !said(h, mac1, "its system: ACK 10.0.0.5") {
		t.Errorf("not on record: %+v", h.Recorder.Boots("pc1")[0].Events)
	}
}
