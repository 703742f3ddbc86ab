package storage

import (
	"testing"

	"bootes.dev/internal/inventory"
)

// flattened is a machine whose disk stands on no image, with a snapshot that
// still does.
func flattened(t *testing.T) (*site, inventory.Volume) {
	t.Helper()
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	x.write(v.ID, 11, 4096)
	if _, err := x.SetLimit(ctx, v.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := x.FlattenVolume(ctx, v.ID, nil); err != nil {
		t.Fatal(err)
	}
	v, err := x.inv.Volume(ctx, v.ID)
	if err != nil || v.Image != "" || v.Layer != "" || v.Digest != "" || v.Ref != "debian:12" || !v.Identity || v.Snapshots["monday"].Image != "debian:12" {
		t.Fatalf("%+v, %v", v, err)
	}
	return x, v
}

// A flattened disk lets its image go, and its machine boots it all the same.
func TestFlattenedLetsTheImageGo(t *testing.T) {
	x, v := flattened(t)
	ctx := t.Context()
	wantErr[*inventory.InUseError](t, x.RemoveImage(ctx, "debian:12"),
		"image \"debian:12\" is in use by snapshot "+v.ID+"@monday: first remove that snapshot with `bootes volume rm "+v.ID+"@monday`")
	if err := x.RemoveSnapshot(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveImage(ctx, "debian:12"); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile()
	again, err := x.CreateVolume(ctx, "pc1", "debian:12", inventory.Persistent, "")
	if err != nil || again.ID != v.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	x.has(v.ID, 11, 4096)

	wantErr[*inventory.NotFoundError](t, x.Reset(ctx, v.ID), "what volume \""+v.ID+"\" goes back to is gone: "+
		"give pc1 another image, and with it a fresh disk, with `bootes machine set pc1 --image IMAGE`: no image \"debian:12\": there are no images yet")
	_, err = x.inv.SetMachine(ctx, "pc1", func(m *inventory.Machine) error { m.Mode = inventory.Ephemeral; return nil })
	wantErr[*inventory.NotFoundError](t, err, `no image "debian:12": there are no images yet`)
	if _, err := x.inv.SetMachine(ctx, "pc1", func(m *inventory.Machine) error { m.Limit = 1 << 30; return nil }); err != nil {
		t.Errorf("a change that needs no image: %v", err)
	}
	_, err = x.Diff(ctx, v.ID, "")
	wantErr[*NoImageError](t, err, "volume \""+v.ID+"\" stands on no image that is here: it was flattened, or came out of a backup; compare it with a snapshot of its own")

	x.importImage("debian:12", random(diskSize, 5))
	if err := x.Reset(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if now, err := x.inv.Volume(ctx, v.ID); err != nil || now.Image != "debian:12" || now.Layer == "" {
		t.Errorf("after the reset: %+v, %v", now, err)
	}
}

// What a flattened volume comes to stand on is on its record again.
func TestFlattenedStandsOnAnImageAgain(t *testing.T) {
	x, v := flattened(t)
	ctx := t.Context()
	image := func(when, want string) {
		t.Helper()
		if now, err := x.inv.Volume(ctx, v.ID); err != nil || now.Image != want || (now.Layer == "") != (want == "") {
			t.Errorf("%s: %+v, %v", when, now, err)
		}
	}
	if err := x.Rollback(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	image("rolled back", "debian:12")
	x.has(v.ID, 10, 0)
	if err := x.FlattenVolume(ctx, v.ID, nil); err != nil {
		t.Fatal(err)
	}
	image("flattened again", "")
	if _, err := x.Commit(ctx, v.ID, "", "lab:1", ""); err != nil {
		t.Fatal(err)
	}
	image("committed", "lab:1")
	if d, err := x.Diff(ctx, v.ID, ""); err != nil || d.Against != "lab:1" || d.Changed != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// A flatten that was cut short before its record, and a reset, are noted at the
// next start.
func TestRecordFollowsTheDisk(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if _, err := x.SetLimit(ctx, v.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := x.eng.FlattenVolume(ctx, v.ID, nil); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("volume " + v.ID + " of machine pc1 stands on no image, and its record says so now")
	img, err := x.inv.Image(ctx, "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	if err := x.eng.SetBase(v.ID, img.Layer); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("volume " + v.ID + " of machine pc1 stands on image debian:12, and its record says so now")
	x.restart()
	x.reconcile()
}

// A flattened image takes along the records of the volumes that stand on it, and
// of their snapshots.
func TestFlattenedImageTakesItsVolumesAlong(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	x.write(v.ID, 11, 0)
	if _, err := x.Commit(ctx, v.ID, "", "debian:13", ""); err != nil {
		t.Fatal(err)
	}
	x.write(v.ID, 12, 0)
	x.snapshotOf(v.ID, "friday")
	if _, err := x.FlattenImage(ctx, "debian:13", nil); err != nil {
		t.Fatal(err)
	}
	now, err := x.inv.Volume(ctx, v.ID)
	if err != nil || now.Image != "debian:13" || now.Ref != "debian:12" || !now.Identity ||
		now.Snapshots["friday"].Image != "debian:13" || now.Snapshots["monday"].Image != "debian:12" {
		t.Errorf("%+v, %v", now, err)
	}
	if d, err := x.Diff(ctx, v.ID, ""); err != nil || d.Against != "debian:13" || d.Changed != 4096 {
		t.Errorf("%+v, %v", d, err)
	}
	x.restart()
	x.reconcile()
}
