package boot

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
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
	h.discover(mac1, loaders.BIOS, true)
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
	h.attempts.reach(h.attempts.current("pc1"), recorder.StageKernel)
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
	h.attempts.reach(h.attempts.current("pc1"), recorder.StageKernel)
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
	root := func(mac, iface string, fw loaders.Firmware) string {
		return h.DHCP(t.Context(), Client{MAC: parseMAC(mac), Interface: iface, Server: server, Firmware: fw, Discover: true}).RootPath
	}
	if got := root(mac1, "br0", loaders.NoFirmware); got != "" {
		t.Errorf("without static credentials: %s", got)
	}
	h.static()
	if got, want := root(mac1, "br0", loaders.NoFirmware), "iscsi:10.77.0.1:::0:"+prefix+":pc1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := root(mac1, "br1", loaders.NoFirmware), "iscsi:10.77.0.102:::0:"+prefix+":pc1"; got != want {
		t.Errorf("with a portal elsewhere: %q, want %q", got, want)
	}
	if got := root(mac1, "br0", loaders.BIOS) + root(mac2, "br0", loaders.NoFirmware); got != "" {
		t.Errorf("PXE, and another machine: %s", got)
	}
}

// TestBootKeepsItsDisk: static credentials do not take the disk of a boot that has it
// and whose system has not opened it yet, unless they come from where it boots, or it
// was told that it has stopped. It loses nothing by the refusal.
func TestBootKeepsItsDisk(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	st := h.static()
	ad := h.reading()
	a := h.attempts.current("pc1")
	own := hba
	own.Name, own.Remote = prefix+":init:pc1", addr2
	for _, in := range []Initiator{hba, own} {
		_, err := h.Admit(t.Context(), in, st.User)
		want := "boot " + ad.Boot.ID + " holds the disk since "
		var refused *Denied
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Reason, want) || !strings.HasSuffix(refused.Reason, ", and starts from it: switch pc1 off first") {
			t.Fatalf("%v", err)
		}
		h.LoginRefused(in, st.User, err.Error())
		if !said(h, mac1, "login of "+in.Name+" from 10.77.0.102 refused: "+refused.Reason) {
			t.Errorf("%+v", h.Recorder.Boots("pc1"))
		}
	}
	if a.seen.Login.Refusals != 0 {
		t.Error("the boot is said to be refused")
	}
	if _, err := h.admit(ad.Boot.ID); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(){
		"from where it boots": func() { a.addr = addr2 },
		"it has stopped":      func() { a.watch.told = diagnose.NoSystemLogin },
		"before its login":    func() { a.stage = recorder.StageScript },
		"no boot is known":    func() { delete(h.attempts.m, "pc1") },
	} {
		addr, m := a.addr, maps.Clone(h.attempts.m)
		h.attempts.with(a, change)
		if h.starting("pc1", addr2) {
			t.Errorf("%s: refused", name)
		}
		h.attempts.with(a, func() { a.addr, a.watch.told, a.stage, h.attempts.m = addr, "", recorder.StageRead, m })
		if !h.starting("pc1", addr2) {
			t.Errorf("%s: not taken back", name)
		}
	}
}

// TestStaticIsNoBoot: an initiator that comes by static credentials again and again
// does not make a loop of the boot that follows.
func TestStaticIsNoBoot(t *testing.T) {
	h := newHouse(t)
	st := h.static()
	for range 4 {
		st.Held = st.Held.Add(time.Second)
		h.LoggedIn(staticBoot(st), Session{Remote: addr2})
	}
	if n := len(h.Recorder.Boots("pc1")); n != 4 {
		t.Fatalf("%d timelines, want 4", n)
	}
	h.boots(mac1)
	b := h.Recorder.Boots("pc1")[0]
	if before := h.before(h.attempts.current("pc1")); len(before) != 0 || b.Diagnosis != nil {
		t.Errorf("%d boots before it, %+v", len(before), b.Diagnosis)
	}
}
