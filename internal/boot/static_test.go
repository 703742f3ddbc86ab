package boot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// held is a target with a session.
type held struct {
	owner string
	since time.Time
	dead  bool // its machine is gone, which Alive finds out
}

func (h *held) Holder(string) (string, time.Time) { return h.owner, h.since }
func (h *held) Alive(context.Context, string) (string, time.Time) {
	if h.dead {
		return "", time.Time{}
	}
	return h.owner, h.since
}

func (h *house) static() inventory.Static {
	h.t.Helper()
	st, err := h.Inventory.NewStatic(h.t.Context(), "pc1", "iqn.x:hba")
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

var hba = Initiator{Name: "iqn.x:hba", Target: prefix + ":pc1", Remote: addr2}

// Static credentials are of one machine, under the name that they were made for,
// its own, or one that its rules name; its rules count for them as well.
func TestStaticAccount(t *testing.T) {
	h := newHouse(t)
	st := h.static()
	if secret, ok := h.Secret(t.Context(), st.User); !ok || secret != st.Secret {
		t.Errorf("secret %q, %v", secret, ok)
	}
	if name, secret, ok := h.Prove(t.Context(), st.User); !ok || name != st.Reverse.User || secret != st.Reverse.Secret {
		t.Errorf("proves %q %q, %v", name, secret, ok)
	}
	for name, want := range map[string]string{
		"iqn.x:hba": "", prefix + ":init:pc1": "", "iqn.x:rule": "",
		"iqn.x:other": "`bootes machine set pc1 --initiator iqn.x:other,iqn.x:rule` lets it in",
	} {
		h.rule(inventory.Access{Initiators: []string{"iqn.x:rule"}})
		in := hba
		in.Name = name
		if _, err := h.Admit(t.Context(), in, st.User); want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.rule(inventory.Access{Lease: true})
	if _, err := h.Admit(t.Context(), hba, st.User); err == nil || !strings.Contains(err.Error(), `which its rule "lease" asks for`) {
		t.Error(err)
	}
	if got := h.Visible(t.Context(), hba, st.User); got != nil {
		t.Errorf("visible from another's address: %v", got)
	}
	h.discover(mac1, BIOS, true)
	user, _ := h.script(mac1, addr1)
	in := hba
	in.Remote = addr1
	if _, err := h.Admit(t.Context(), in, user); err == nil {
		t.Error("a boot's credentials are good under the HBA's name")
	}
}

// They have the disk that the next boot would have, in update mode too, and not
// against a system that lives.
func TestStaticHolds(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	own := h.boots(mac1)
	st := h.static()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	target := &held{owner: "pc1-1", since: since}
	h.Targets = target
	_, err := h.Admit(ctx, hba, st.User)
	const want = "the system that boot pc1-1 has started runs from the disk since 2026-01-02 03:04:05: switch pc1 off first"
	var refused *Denied
	if !errors.As(err, &refused) || refused.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := h.admit("pc1-1"); err != nil {
		t.Errorf("a login that was refused has ended the boot: %v", err)
	}
	target.dead = true
	ad, err := h.Admit(ctx, hba, st.User)
	if err != nil || !ad.Static || ad.Boot.ID != st.User || ad.Boot.Volume != own.ID {
		t.Fatalf("%+v, %v", ad, err)
	}
	if _, err := h.admit("pc1-1"); err == nil {
		t.Error("the boot that had the disk comes back to it")
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr2})
	h.Reach(ad.Boot, recorder.StageRunning, "first write: the system runs")
	b := h.Recorder.Boots("pc1")[0]
	if b.Stage != recorder.StageRunning || !strings.HasPrefix(b.ID, "pc1-static-2") || b.Events[0].Text != "static credentials opened the disk, from 10.77.0.102" {
		t.Errorf("timeline: %+v", b)
	}

	// A second session joins; while it is there the hold is the same.
	target.owner, target.dead = st.User, false
	if again, err := h.Admit(ctx, hba, st.User); err != nil || !again.Boot.Held.Equal(ad.Boot.Held) {
		t.Errorf("%+v, %v", again, err)
	}
	if got, want := h.holder(ctx, "pc1"), "static credentials hold the disk since 2026-01-02 03:04:05"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if o, err := h.Owner(ctx, st.User); err != nil || o.Volume != own.ID || o.Machine != "pc1" {
		t.Errorf("%+v, %v", o, err)
	}

	// A newer boot has the disk at once.
	h.boots(mac1)
	target.owner = ""
	up, err := h.Inventory.AddVolume(ctx, inventory.Volume{ID: "pc1-up", Machine: "pc1", Image: "debian:12", Layer: "layer-1", Mode: inventory.Updating})
	if err != nil {
		t.Fatal(err)
	}
	if ad, err := h.Admit(ctx, hba, st.User); err != nil || ad.Boot.Volume != up.ID {
		t.Errorf("in update mode: %+v, %v", ad, err)
	}
}

// DHCP tells firmware that is neither PXE nor iPXE where its disk is.
func TestRootPath(t *testing.T) {
	h := newHouse(t)
	h.Addresses = map[string]Addresses{"br1": {Portal: addr2}}
	root := func(mac, iface string, fw Firmware) string {
		return h.DHCP(t.Context(), Client{MAC: parseMAC(mac), Interface: iface, Server: server, Firmware: fw, Discover: true}).RootPath
	}
	if got := root(mac1, "br0", NoFirmware); got != "" {
		t.Errorf("without static credentials: %s", got)
	}
	h.static()
	if got, want := root(mac1, "br0", NoFirmware), "iscsi:10.77.0.1:::0:"+prefix+":pc1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := root(mac1, "br1", NoFirmware), "iscsi:10.77.0.102:::0:"+prefix+":pc1"; got != want {
		t.Errorf("with a portal elsewhere: %q, want %q", got, want)
	}
	if got := root(mac1, "br0", BIOS) + root(mac2, "br0", NoFirmware); got != "" {
		t.Errorf("PXE, and another machine: %s", got)
	}
}

// TestStaticTakes: what opens the disk of a boot before its system does, and is not
// where it boots, has taken it; its own next login takes it back.
func TestStaticTakes(t *testing.T) {
	h := newHouse(t)
	h.boots(mac1)
	hold := staticBoot(h.static())
	a := h.attempts.current("pc1")
	taken := func(by Session, st recorder.Stage) diagnose.Taken {
		h.attempts.with(a, func() { a.stage, a.seen.Taken = st, diagnose.Taken{} })
		h.LoggedIn(hold, by)
		return a.seen.Taken
	}
	if got := taken(Session{Remote: addr2}, recorder.StageRead); got.By != addr2 || got.Since == "" || got.Target != prefix+":pc1" {
		t.Errorf("%+v", got)
	}
	a.loggedIn(Session{Remote: addr1, Firmware: true}, h.now())
	if a.seen.Taken.By.IsValid() {
		t.Error("the machine has it again")
	}
	for name, got := range map[string]diagnose.Taken{
		"from its own address": taken(Session{Remote: a.addr}, recorder.StageRead),
		"before its script":    taken(Session{Remote: addr2}, recorder.StageIPXE),
		"after its system":     taken(Session{Remote: addr2}, recorder.StageKernel),
	} {
		if got.By.IsValid() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestDiskHeld is told of at once, of the boot that has lost its disk.
func TestDiskHeld(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.between = 20 * time.Millisecond
	h.discover(mac1, EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	static, err := h.Admit(t.Context(), hba, h.static().User)
	if err != nil {
		t.Fatal(err)
	}
	h.SessionEnded(ad.Boot, Session{Remote: addr1, Firmware: true}, "fenced", time.Second)
	h.LoggedIn(static.Boot, Session{Remote: addr2})
	h.LoginRefused(initiatorOf(user), user, "no account \""+user+"\"")
	var lost recorder.Boot
	if !eventually(func() bool {
		for _, r := range h.Recorder.Boots("pc1") {
			if r.ID == user {
				lost = r
			}
		}
		return lost.Diagnosis != nil
	}) {
		t.Fatalf("%+v", lost)
	}
	if d := lost.Diagnosis; d.Kind != diagnose.DiskHeld || !strings.Contains(d.Summary, addr2.String()) {
		t.Errorf("%+v", d)
	}
}
