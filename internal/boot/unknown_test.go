package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

const mac9 = "52:54:00:00:00:99"

var (
	addr9 = netip.MustParseAddr("10.77.0.199")
	own   = "http://10.77.0.1/ipxe/52-54-00-00-00-99"
)

// newPolicy is newHouse with a policy for unknown machines, and one of those.
func newPolicy(t *testing.T, u Unknown) *house {
	h := newHouse(t)
	h.Service.Unknown = map[string]Unknown{"br0": u}
	known := h.Locate
	h.Locate = func(ctx context.Context, a netip.Addr) (net.HardwareAddr, bool) {
		if a == addr9 {
			return parseMAC(mac9), true
		}
		return known(ctx, a)
	}
	return h
}

// discovers is discover of a computer with a UUID.
func (h *house) discovers(mac, id string, ipxe bool) Answer {
	h.later(2 * time.Second)
	c := Client{MAC: parseMAC(mac), Interface: "br0", Server: server, Firmware: loaders.EFI64, IPXE: ipxe, Discover: true}
	if id != "" {
		c.UUID = uuid.MustParse(id)
	}
	return h.DHCP(h.t.Context(), c)
}

// asks requests the script of a card with a query.
func (h *house) asks(mac string, from netip.Addr, query string) string {
	h.t.Helper()
	f, err := url.ParseQuery(query)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := h.Script(h.t.Context(), Asker{MAC: parseMAC(mac), Remote: from, Local: server, Facts: f})
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *house) wants(what, text string, parts ...string) {
	h.t.Helper()
	for _, p := range parts {
		no, absent := strings.CutPrefix(p, "not ")
		if strings.Contains(text, no) == absent {
			h.t.Errorf("%s: %q:\n%s", what, p, text)
		}
	}
}

const told = "facts=1&manufacturer=QEMU&product=Box&serial=SN9&m0=0003&uuid=" + uuidC

func TestHeldUntilApproved(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Hold})
	if a := h.discovers(mac9, "", false); a.Filename != "snponly.efi" || a.Known || a.Machine != "" || a.Reason != "" {
		t.Errorf("firmware is told %+v", a)
	}
	if a := h.discovers(mac9, "", true); a.Filename != own || a.Known {
		t.Errorf("iPXE is told %+v", a)
	}
	if !h.InIPXE(parseMAC(mac9)) {
		t.Error("it is in iPXE, and is let wait for an IPv6 router")
	}
	h.wants("first", h.asks(mac9, addr9, ""), "chain --replace --autofree "+own+"?facts=1&", "not sanboot")
	const remedy = "bootes machine approve 52:54:00:00:00:99 --name NAME --image debian:12"
	h.wants("facts", h.asks(mac9, addr9, told), "echo Bootes: waiting for approval", "MAC "+mac9, "QEMU Box serial SN9", "On the server: "+remedy, "chain --replace --autofree "+own+"?poll=1 ||")
	h.wants("poll 1", h.asks(mac9, addr9, "poll=1"), "not echo", "?poll=2 ||")
	h.wants("poll 20", h.asks(mac9, addr9, "poll=20"), "echo Bootes: waiting", "?poll=21 ||")
	w, err := h.Inventory.WaitingOf(t.Context(), mac9)
	if want := (inventory.Hardware{UUID: uuidC, Serial: "SN9", Manufacturer: "QEMU", Product: "Box", Memory: 768 << 20}); err != nil || w.Interface != "br0" || w.Hardware != want {
		t.Errorf("on record: %+v, %v", w, err)
	}
	if n := h.saidOf(mac9, "it waits for approval: "+remedy); n != 1 {
		t.Errorf("told %d times", n)
	}
	if _, err := h.Inventory.AddMachine(t.Context(), inventory.Machine{Name: "pc9", MACs: []string{mac9}, Image: "debian:12"}); err != nil {
		t.Fatal(err)
	}
	text := h.asks(mac9, addr9, "poll=21")
	h.wants("approved", text, "sanboot iscsi:10.77.0.1::", prefix+":pc9 ||", "set username pc9-1\n", "not imgfetch")
	if again := h.asks(mac9, addr9, "poll=22"); again != text {
		t.Errorf("asked twice:\n%s", again)
	}
	if n := h.saidOf("pc9", "it began to start 2s ago as an unknown machine, and is pc9 now"); n != 1 {
		t.Errorf("the machine's own timeline does not tell: %+v", h.Recorder.Boots("pc9"))
	}
	if m, err := h.Inventory.Machine(t.Context(), "pc9"); err != nil || m.Hardware != w.Hardware {
		t.Errorf("of its hardware is known %+v, %v", m.Hardware, err)
	}
	if _, err := h.admit("pc9-1"); err != nil {
		t.Errorf("its login: %v", err)
	}
}

// saidOf counts the events of a subject with a text.
func (h *house) saidOf(subject, text string) (n int) {
	for _, b := range h.Recorder.Boots(subject) {
		for _, e := range b.Events {
			if e.Text == text {
				n++
			}
		}
	}
	return n
}

// Whoever is not at the machine gets neither its script nor a word in.
func TestOnlyTheMachineItselfWaits(t *testing.T) {
	for _, policy := range []Policy{Hold, Enrol} {
		h := newPolicy(t, Unknown{Policy: policy, Image: "debian:12"})
		h.discovers(mac9, "", true)
		for _, query := range []string{"", told, "poll=3"} {
			f, _ := url.ParseQuery(query)
			_, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac9), Remote: addr1, Local: server, Facts: f})
			const want = `script of 52:54:00:00:00:99 asked for from 10.77.0.101, which is 52:54:00:00:00:01: address is not that machine's`
			if !errors.Is(err, ErrForbidden) || err.Error() != want {
				t.Errorf("%s: %v", query, err)
			}
		}
		if all, err := h.Inventory.AllWaiting(t.Context()); len(all) != 0 || err != nil {
			t.Errorf("there wait %+v, %v", all, err)
		}
	}
}

// The server was started anew while a machine waited: it may be running something
// else by now, so it must be seen to start again.
func TestWaitingAfterARestart(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Hold})
	h.wants("poll", h.asks(mac9, addr9, "poll=7"), "ifconf --configurator dhcp netX && chain --replace --autofree "+own+" ||", "not poll")
	h.wants("first", h.asks(mac9, addr9, ""), "echo Bootes does not know this machine", "reboot")
	if _, err := h.Inventory.AddMachine(t.Context(), inventory.Machine{Name: "pc9", MACs: []string{mac9}, Image: "debian:12"}); err != nil {
		t.Fatal(err)
	}
	h.wants("approved", h.asks(mac9, addr9, "poll=7"), "ifconf --configurator dhcp netX", "not sanboot")
	h.discovers(mac9, "", true)
	h.wants("seen again", h.asks(mac9, addr9, ""), "sanboot")
}

func TestAWaitingMachineRenewsItsAddress(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Hold})
	h.discovers(mac9, "", true)
	h.asks(mac9, addr9, told)
	for range 4 {
		h.later(time.Minute)
		h.wants("poll", h.asks(mac9, addr9, "poll=1"), "not ifconf", "sleep")
	}
	h.later(time.Second)
	h.wants("late", h.asks(mac9, addr9, "poll=1"), "ifconf --configurator dhcp netX && chain --replace --autofree "+own+" ||")
	h.discovers(mac9, "", true)
	h.wants("renewed", h.asks(mac9, addr9, ""), "echo Bootes: waiting", "poll=1")
	if n := len(h.Recorder.Boots(mac9)); n != 1 {
		t.Errorf("it has %d timelines, want one", n)
	}
}

func TestEnrolled(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Enrol, Image: "debian:12", Mode: inventory.Ephemeral, Name: "ci-%", Limit: 5})
	h.discovers(mac9, "", false)
	h.discovers(mac9, "", true)
	h.wants("first", h.asks(mac9, addr9, ""), "?facts=1&")
	if all, err := h.Inventory.Machines(t.Context()); len(all) != 2 || err != nil {
		t.Errorf("a machine was enrolled by nothing but DISCOVERs: %v, %v", all, err)
	}
	h.wants("facts", h.asks(mac9, addr9, told), "set hostname ci-0001", "sanboot")
	m, err := h.Inventory.Machine(t.Context(), "ci-0001")
	if err != nil || m.Mode != inventory.Ephemeral || m.Limit != 5 || m.Image != "debian:12" || m.Hardware.Serial != "SN9" || fmt.Sprint(m.MACs) != "["+mac9+"]" {
		t.Errorf("it is %+v, %v", m, err)
	}
	if h.saidOf(mac9, "enrolled as machine ci-0001, which boots debian:12") != 1 {
		t.Errorf("its timeline: %+v", h.Recorder.Boots(mac9))
	}
}

func TestNotEnrolledWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		image, pattern, why string
		before              func(h *house)
	}{
		"no image": {"debian:13", "", `no image "debian:13": there are debian:12`, func(*house) {}},
		"its name": {"debian:12", "%serial", `machine "sn9" exists already: change it with ` + "`bootes machine set sn9`, or choose another name", func(h *house) {
			if _, err := h.Inventory.AddMachine(t.Context(), inventory.Machine{Name: "sn9", MACs: []string{"52:54:00:00:00:77"}, Image: "debian:12"}); err != nil {
				t.Fatal(err)
			}
		}},
		"a dock?": {"debian:12", "", "it may be pc1 by another network card", func(h *house) {
			if _, err := h.Inventory.Learn(t.Context(), "pc1", inventory.Hardware{UUID: uuidC}); err != nil {
				t.Fatal(err)
			}
		}},
		"a flood": {"debian:12", "", "500 machines were enrolled within the hour, more than people unpack", func(h *house) {
			for h.enrolled.take(enrolling, h.clock) {
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newPolicy(t, Unknown{Policy: Enrol, Image: tt.image, Name: tt.pattern})
			tt.before(h)
			h.discovers(mac9, "", true)
			h.wants("facts", h.asks(mac9, addr9, told), "echo Bootes: waiting for approval", "echo   not enrolled: ", "not sanboot")
			if h.saidOf(mac9, "not enrolled: "+tt.why) != 1 {
				t.Errorf("its timeline: %+v", h.Recorder.Boots(mac9))
			}
			if _, err := h.Inventory.WaitingOf(t.Context(), mac9); err != nil {
				t.Error(err)
			}
		})
	}
}

// What firmware says is shown to people, on terminals and pages.
func TestEnrolledHardwareIsReadable(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Enrol, Image: "debian:12"})
	h.discovers(mac9, "", true)
	h.wants("enrolled", h.asks(mac9, addr9, "facts=1&manufacturer=%1b]0%3Bx%07ACME&chip=%1b[2J&product="+strings.Repeat("p", 4000)), "sanboot")
	m, err := h.Inventory.MachineByMAC(t.Context(), mac9)
	if want := (inventory.Hardware{Manufacturer: "]0;xACME", Product: strings.Repeat("p", 64), NIC: "[2J"}); m.Hardware != want || err != nil {
		t.Errorf("on record: %+v, %v", m.Hardware, err)
	}
}

// One that cannot be enrolled asks every few seconds; it must not use up what is
// left for others.
func TestFailedEnrolmentTakesNobodysTurn(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Enrol, Image: "debian:12", Name: "pc-%serial"})
	if _, err := h.Inventory.AddMachine(t.Context(), inventory.Machine{Name: "pc-sn9", MACs: []string{"52:54:00:00:00:77"}, Image: "debian:12"}); err != nil {
		t.Fatal(err)
	}
	h.discovers(mac9, "", true)
	for range 3 {
		h.wants("its name is taken", h.asks(mac9, addr9, told), "machine ?pc-sn9? exists already", "not sanboot")
	}
	if h.enrolled.used != 0 {
		t.Errorf("%.0f enrolments used up", h.enrolled.used)
	}
}

func TestImageThatNobodyCanBootEnrolsNobody(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Enrol, Image: "rescue:1"})
	disc := inventory.Image{Name: "rescue", Tag: "1", Kind: inventory.CDROM, Layer: "layer-9", Digest: "sha256:09", Size: 1 << 20}
	if _, err := h.Inventory.AddImage(t.Context(), disc); err != nil {
		t.Fatal(err)
	}
	h.discovers(mac9, "", true)
	for range 3 {
		h.wants("CD-ROM", h.asks(mac9, addr9, told), "it is a CD-ROM", "not sanboot")
	}
	if name, err := h.Inventory.NameFor(t.Context(), inventory.DefaultPattern, mac9, inventory.Hardware{}); name != "pc-0001" || err != nil {
		t.Errorf("the next name is %s, %v", name, err)
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	r, at := rate{3, 60}, time.Now()
	for range 3 {
		if !b.take(r, at) {
			t.Fatal("not three at once")
		}
	}
	later := at.Add(61 * time.Second)
	if b.take(r, at) || !b.take(r, later) || b.take(r, later) {
		t.Error("the bound does not hold, or nothing is forgotten")
	}
}

// A flood of made-up machines is told of once, and a machine boots beside it.
func TestFloodOfStrangers(t *testing.T) {
	for _, policy := range []Policy{Ignore, Hold} {
		h := newPolicy(t, Unknown{Policy: policy})
		h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
		var log bytes.Buffer
		h.Log = slog.New(slog.NewTextHandler(&log, nil))
		h.discovers(mac1, "", true)
		for n := range 1500 {
			mac := net.HardwareAddr{0x52, 0x54, 0, 1, byte(n >> 8), byte(n)}
			a := h.DHCP(t.Context(), Client{MAC: mac, Interface: "br0", Server: server, Firmware: loaders.BIOS, Discover: true})
			if late := n >= int(newcomers.atOnce); (a.Filename == "") != (policy == Ignore || late) {
				t.Fatalf("%s, stranger %d is told %+v", policy, n, a)
			}
		}
		if n := strings.Count(log.String(), "flood of unknown machines"); n != 1 {
			t.Errorf("%s: the flood is told of %d times", policy, n)
		}
		if n := strings.Count(log.String(), "unknown machine"); n > int(newcomers.atOnce)+1 {
			t.Errorf("%s: the log has %d lines", policy, n)
		}
		h.wants("the machine", h.asks(mac1, addr1, ""), "sanboot")
	}
}

func TestAFullListIsToldOnce(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Hold})
	for n := range inventory.MaxWaiting {
		if _, err := h.Inventory.Wait(t.Context(), inventory.Waiting{MAC: fmt.Sprintf("52:54:00:01:%02x:%02x", n>>8, n&255)}); err != nil {
			t.Fatal(err)
		}
	}
	h.discovers(mac9, "", true)
	h.wants("facts", h.asks(mac9, addr9, told), "echo Bootes: too many computers wait for approval. This one, 52:54:00:00:00:99, is not in the list.", "?poll=1 ||")
	if h.full.again(h.clock, time.Hour) || !h.full.again(h.clock.Add(time.Hour), time.Hour) {
		t.Error("the flood is not told, or more than once an hour")
	}
}

func TestStrangerThatMayBeAMachine(t *testing.T) {
	h := newPolicy(t, Unknown{Policy: Hold})
	if _, err := h.Inventory.Learn(t.Context(), "pc1", inventory.Hardware{UUID: uuidC}); err != nil {
		t.Fatal(err)
	}
	h.discovers(mac9, uuidC, true)
	h.wants("facts", h.asks(mac9, addr9, "facts=1&uuid="+uuidC), "echo   perhaps pc1\n")
	const hint = ". It has the UUID or serial number of pc1: if it is pc1 by another network card, `bootes machine set pc1 --mac 52:54:00:00:00:01,52:54:00:00:00:99`"
	if h.saidOf(mac9, "it waits for approval: bootes machine approve 52:54:00:00:00:99 --name NAME --image debian:12"+hint) != 1 {
		t.Errorf("its timeline: %+v", h.Recorder.Boots(mac9))
	}
	h.Service.Unknown = nil
	h.later(time.Hour)
	h.discovers(mac9, uuidC, false)
	if h.saidOf(mac9, "unknown machine: it gets no boot. To add it: bootes machine add NAME --mac 52:54:00:00:00:99 --image debian:12"+hint) != 1 {
		t.Errorf("its timeline: %+v", h.Recorder.Boots(mac9))
	}
}

func (h *house) warned(subject, part string) bool {
	for _, b := range h.Recorder.Boots(subject) {
		for _, e := range b.Events {
			if e.Level == recorder.Warn && strings.Contains(e.Text, part) {
				return true
			}
		}
	}
	return false
}
