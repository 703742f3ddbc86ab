package boot

import (
	"maps"
	"strings"
	"testing"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
)

// stable adds debian:13, makes debian:stable point to debian:12, and has both
// machines boot that.
func (h *house) stable() {
	h.t.Helper()
	ctx := h.t.Context()
	if _, err := h.Inventory.AddImage(ctx, inventory.Image{Name: "debian", Tag: "13", Layer: "layer-2", Digest: "sha256:01", Size: 1 << 20}); err != nil {
		h.t.Fatal(err)
	}
	h.point("debian:12")
	for _, m := range []string{"pc1", "pc2"} {
		if _, err := h.Inventory.SetMachine(ctx, m, func(m *inventory.Machine) error { m.Image = "debian:stable"; return nil }); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) point(image string) {
	h.t.Helper()
	if _, err := h.Inventory.SetTag(h.t.Context(), "debian:stable", image); err != nil {
		h.t.Fatal(err)
	}
}

// boots boots the machine with a MAC once and returns what it holds.
func (h *house) boots(mac string) inventory.Volume {
	h.t.Helper()
	h.discover(mac, loaders.BIOS, true)
	from := addr1
	if mac == mac2 {
		from = addr2
	}
	user, text := h.script(mac, from)
	ad, err := h.admit(user)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, text)
	}
	h.LoggedIn(ad.Boot, Session{Remote: from, Firmware: true})
	h.Forget(h.t.Context(), ad)
	v, err := h.Inventory.Volume(h.t.Context(), ad.Boot.Volume)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// Ephemeral machines follow a moved tag at their next boot, forwards and back;
// persistent ones stay on their disk and are told.
func TestMovedTag(t *testing.T) {
	h := newHouse(t)
	h.stable()
	own := h.boots(mac1)
	for _, image := range []string{"debian:12", "debian:13", "debian:12"} {
		h.point(image)
		if v := h.boots(mac2); v.Image != image {
			t.Errorf("ephemeral: on %s, want %s", v.Image, image)
		}
		if v := h.boots(mac1); v.ID != own.ID || v.Image != "debian:12" {
			t.Errorf("persistent: on %s of %s, want %s", v.ID, v.Image, own.ID)
		}
		want := "debian:stable is debian:13 now, and this disk is of debian:12: " +
			"`bootes volume reset " + own.ID + "` takes the new one and throws away what the machine has written"
		events := h.Recorder.Boots("pc1")[0].Events
		told := false
		for _, e := range events {
			told = told || e.Text == want
		}
		if told != (image == "debian:13") {
			t.Errorf("tag on %s, told of something newer: %v", image, told)
		}
	}
	if !said(h, mac2, "script made: debian:13 (for debian:stable), ephemeral volume ") {
		t.Error("the recorder does not say how the tag led to the image")
	}
}

// In update mode a machine runs from the update's volume, under an identity that
// is not its own; cancelled, it is back on its disk.
func TestUpdateMode(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	own := h.boots(mac1)
	up, err := h.Inventory.AddVolume(ctx, inventory.Volume{ID: "pc1-up", Machine: "pc1", Image: "debian:12", Layer: "layer-1", Mode: inventory.Updating})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v := h.boots(mac1); v.ID != up.ID {
			t.Errorf("in update mode it runs from %s", v.ID)
		}
	}
	if len(h.disks.discarded) != 0 {
		t.Errorf("discarded %v", h.disks.discarded)
	}
	if !said(h, mac1, "`bootes image publish pc1 NAME:TAG` makes an image of it, `bootes image update --cancel pc1` gives it up") {
		t.Error("the recorder does not say how it goes on")
	}
	m, err := h.Inventory.Machine(ctx, "pc1")
	if err != nil {
		t.Fatal(err)
	}
	id, err := IdentityFor(m, up)
	if err != nil || id.Name != "golden" || id.Identity.MachineID == m.Identity.MachineID {
		t.Errorf("identity %q, %v", id.Name, err)
	}
	for name, key := range id.Identity.HostKeys {
		if key == m.Identity.HostKeys[name] {
			t.Errorf("%s is the machine's own", name)
		}
	}
	if got := hostname(m, up) + " " + hostname(m, own); got != "golden pc1" {
		t.Errorf("host names in update mode and out of it: %q", got)
	}
	if id, err := IdentityFor(m, own); err != nil || id.Name != "pc1" || !maps.Equal(id.Identity.HostKeys, m.Identity.HostKeys) {
		t.Errorf("on its own disk: %q, %v", id.Name, err)
	}

	if _, err := h.Inventory.DropVolume(ctx, up.ID); err != nil {
		t.Fatal(err)
	}
	if v := h.boots(mac1); v.ID != own.ID {
		t.Errorf("after the update it runs from %s", v.ID)
	}
}

// A published update's volume is kept for the boot that runs from it, and goes
// with the next.
func TestPublishedWhileItRan(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	up, err := h.Inventory.AddVolume(ctx, inventory.Volume{ID: "pc1-up", Machine: "pc1", Image: "debian:12", Layer: "layer-1", Mode: inventory.Updating})
	if err != nil {
		t.Fatal(err)
	}
	h.boots(mac1)
	if _, _, err := h.Inventory.Publish(ctx, inventory.Published{Machine: "pc1", Volume: up.ID, Image: inventory.Image{Name: "debian", Tag: "next", Layer: "layer-3"}}); err != nil {
		t.Fatal(err)
	}
	boots, err := h.Inventory.Boots(ctx, "pc1")
	if err != nil {
		t.Fatal(err)
	}
	ad, err := h.admit(boots[len(boots)-1].ID) // it logs in again
	if err != nil {
		t.Fatal(err)
	}
	h.Forget(ctx, ad)
	if len(h.disks.discarded) != 0 {
		t.Errorf("discarded %v under a running machine", h.disks.discarded)
	}
	if v := h.boots(mac1); v.Mode != inventory.Persistent {
		t.Errorf("the next boot is on a %s volume", v.Mode)
	}
	if len(h.disks.discarded) != 1 || h.disks.discarded[0] != up.ID {
		t.Errorf("discarded %v, want %s", h.disks.discarded, up.ID)
	}
}

func TestUpdateVolumeGone(t *testing.T) {
	h := newHouse(t)
	m, err := h.Inventory.Machine(t.Context(), "pc1")
	if err != nil {
		t.Fatal(err)
	}
	m.Update = &inventory.Update{Image: "debian:12", Volume: "pc1-up"}
	_, err = h.choose(t.Context(), m, inventory.Boot{})
	if err == nil || !strings.HasSuffix(err.Error(), "its volume pc1-up is gone: end it with `bootes image update --cancel pc1`") {
		t.Errorf("got %v", err)
	}
}

// An update that begins while the machine's login waits for its older sessions
// to end keeps its volume.
func TestUpdateBeginsDuringLogin(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Inventory.AddVolume(ctx, inventory.Volume{ID: "pc1-up", Machine: "pc1", Image: "debian:12", Layer: "layer-1", Mode: inventory.Updating}); err != nil {
		t.Fatal(err)
	}
	h.Forget(ctx, ad)
	if len(h.disks.discarded) != 0 {
		t.Errorf("discarded %v", h.disks.discarded)
	}
}
