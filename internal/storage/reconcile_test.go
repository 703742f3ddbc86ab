package storage

import (
	"strings"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// reconcile wants one finding per text, in any order, and no other.
func (x *site) reconcile(want ...string) {
	x.t.Helper()
	found, err := x.Reconcile(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	if len(found) != len(want) {
		x.t.Errorf("%d findings, want %d: %+v", len(found), len(want), found)
	}
	for _, w := range want {
		ok := false
		for _, f := range found {
			ok = ok || strings.Contains(f.Text, w)
		}
		if !ok {
			x.t.Errorf("no %q in %+v", w, found)
		}
	}
}

// TestRemovalCutShort: the process died between record and disk.
func TestRemovalCutShort(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 1))
	x.importImage("old:1", random(diskSize, 2))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	if _, err := x.inv.DropVolume(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := x.inv.RemoveImage(ctx, "old:1", inventory.Users{}); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("finished removing volume "+v.ID, "finished removing layer")
	if len(x.eng.Volumes()) != 0 || len(x.eng.Layers()) != 1 {
		t.Errorf("%d volumes, %d layers", len(x.eng.Volumes()), len(x.eng.Layers()))
	}
	x.reconcile()
}

// TestMakingCutShort: the process died between disk and record.
func TestMakingCutShort(t *testing.T) {
	x := newSite(t)
	img := x.importImage("debian:12", random(diskSize, 1))
	if err := x.inv.PrepareVolume(t.Context(), "pc1-aaaa"); err != nil {
		t.Fatal(err)
	}
	if err := x.inv.PrepareVolume(t.Context(), "pc1-bbbb"); err != nil { // and not even begun
		t.Fatal(err)
	}
	if _, err := x.eng.CreateVolume(cow.VolumeSpec{ID: "pc1-aaaa", Base: img.Layer}); err != nil {
		t.Fatal(err)
	}
	b, err := x.eng.NewLayer(diskSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteAt(random(4096, 9), 0); err != nil {
		t.Fatal(err)
	}
	layer, err := b.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x.restart()
	rm := "layer:" + layer.ID
	x.reconcile("finished removing volume pc1-aaaa", "finished removing volume pc1-bbbb", "layer "+layer.ID+" holds")
	x.reconcile(" on disk but belongs to no image: an import was interrupted at its very end, or the store was restored from an older backup; `bootes image rm " + rm + "` removes it")
	if _, err := x.eng.Layer(layer.ID); err != nil {
		t.Errorf("a layer was removed on suspicion: %v", err)
	}
	if err := x.RemoveImage(t.Context(), "layer:"+img.Layer); err == nil {
		t.Error("the layer of an image was removed as if it had none")
	}
	if err := x.RemoveImage(t.Context(), rm); err != nil {
		t.Error(err)
	}
	if _, err := x.eng.Layer(layer.ID); err == nil {
		t.Error("the layer without an image was not removed")
	}
	if err := x.RemoveImage(t.Context(), rm); err == nil {
		t.Error("it was removed twice")
	}
	if n := len(x.eng.Volumes()); n != 0 {
		t.Errorf("%d volumes", n)
	}
}

// TestStoreLost: a store from an older backup must not cost anyone a disk.
func TestStoreLost(t *testing.T) {
	x := newSite(t)
	img := x.importImage("debian:12", random(diskSize, 1))
	if _, err := x.eng.CreateVolume(cow.VolumeSpec{ID: "pc9-aaaa", Base: img.Layer}); err != nil {
		t.Fatal(err)
	}
	v, err := x.eng.OpenVolume("pc9-aaaa")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.WriteAt(random(4096, 3), 0); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("volume pc9-aaaa holds")
	if _, err := x.eng.Volume("pc9-aaaa"); err != nil {
		t.Errorf("removed: %v", err)
	}
}

func TestDisksLost(t *testing.T) {
	x := newSite(t)
	x.importImage("debian:12", random(diskSize, 1))
	img := x.importImage("old:1", random(diskSize, 2))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	if err := x.eng.RemoveVolume(v.ID); err != nil {
		t.Fatal(err)
	}
	if err := x.eng.RemoveLayer(img.Layer); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("volume "+v.ID+" of machine pc1 is on record but not on disk", "image old:1 cannot be used")
}

func TestHostRestarted(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 1))
	x.machine("pc1", 1, "debian:12")
	x.machine("pc2", 2, "debian:12")
	keep := x.volume("pc2", inventory.Persistent, "")
	for _, m := range []string{"pc1", "pc2"} {
		b := x.boot(m)
		if m == "pc1" {
			x.volume(m, inventory.Ephemeral, b.ID)
		}
		if _, _, err := x.inv.Promote(ctx, b.ID); err != nil {
			t.Fatal(err)
		}
	}
	x.restart() // only the process
	x.reconcile()
	x.bootID++
	x.restart()
	x.reconcile("boot pc1-1 is over, machine pc1 must boot again", "boot pc2-1 is over", "removed ephemeral volume pc1-")
	if _, err := x.inv.Boot(ctx, "pc1-1"); err == nil {
		t.Error("a boot of before the restart may log in")
	}
	if vs, err := x.inv.Volumes(ctx); err != nil || len(vs) != 1 || vs[0].ID != keep.ID {
		t.Errorf("volumes %+v, %v", vs, err)
	}
	x.reconcile()
}

// TestDiscardCutShort: superseded ephemeral volumes that nobody removed.
func TestDiscardCutShort(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 1))
	x.machine("pc1", 1, "debian:12")
	one, two := x.boot("pc1"), x.boot("pc1")
	old := x.volume("pc1", inventory.Ephemeral, one.ID)
	x.volume("pc1", inventory.Ephemeral, two.ID)
	if _, _, err := x.inv.Promote(ctx, two.ID); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("removed ephemeral volume " + old.ID)
	if len(x.eng.Volumes()) != 1 {
		t.Errorf("%d volumes", len(x.eng.Volumes()))
	}
}

// A machine on a write-through volume has lost nothing and goes on.
func TestHostRestartedUnderWriteThrough(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if err := x.SetWriteThrough(ctx, v.ID, true); err != nil {
		t.Fatal(err)
	}
	b := x.holds("pc1", v.ID)
	pending := x.boot("pc1")
	x.bootID++
	x.restart()
	x.reconcile()
	if _, err := x.inv.Boot(ctx, b.ID); err != nil {
		t.Errorf("its boot: %v", err)
	}
	if _, err := x.inv.Boot(ctx, pending.ID); err == nil {
		t.Error("a boot that never held the disk is left")
	}
}

// The disk was reset, and the process died before the record said so.
func TestResetCutShort(t *testing.T) {
	x, v := newPC1(t)
	img := x.importImage("debian:13", random(diskSize, 2))
	if err := x.eng.SetBase(v.ID, img.Layer); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("volume " + v.ID + " of machine pc1 stands on image debian:13, and its record says so now")
	if now := x.record(v.ID); now.Image != "debian:13" || now.Layer != img.Layer {
		t.Errorf("%+v", now)
	}
	x.reconcile()
}

// A snapshot of a moment, cut short, goes; one that is to stay, and has no note
// of how it was taken, counts as one of a running machine.
func TestSnapshotCutShort(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	for _, name := range []string{"moment-x", "monday"} {
		if _, err := x.eng.Snapshot(v.ID, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.inv.NoteRemoval(ctx, inventory.Removal{Kind: inventory.RemoveSnapshot, ID: v.ID + "@moment-x"}); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("finished removing snapshot " + v.ID + "@moment-x")
	info, err := x.Volume(ctx, v.ID)
	if err != nil || len(info.Snapshots) != 1 || info.Snapshots[0].Clean || info.Snapshots[0].Image != "debian:12" {
		t.Errorf("%+v, %v", info.Snapshots, err)
	}
	img := x.importImage("debian:13", random(diskSize, 2))
	if _, err := x.inv.SetVolume(ctx, v.ID, func(v *inventory.Volume) { standOn(v, img) }); err != nil {
		t.Fatal(err)
	}
	if err := x.Rollback(ctx, v.ID, "monday"); err != nil || x.record(v.ID).Image != "debian:12" {
		t.Errorf("rolled back to it: %+v, %v", x.record(v.ID), err)
	}
}
