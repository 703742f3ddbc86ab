package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/inventory"
)

// pc1 is a site with image debian:12 and its machine pc1 with a volume.
func newPC1(t *testing.T) (*site, inventory.Volume) {
	t.Helper()
	x := newSite(t)
	x.importImage("debian:12", random(diskSize, 1))
	x.machine("pc1", 1, "debian:12")
	return x, x.volume("pc1", inventory.Persistent, "")
}

// write writes a block of seed at each offset, as the volume's machine would.
func (x *site) write(volume string, seed byte, offs ...int64) {
	x.t.Helper()
	d, err := x.OpenVolume(x.t.Context(), volume)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, off := range offs {
		if _, err := d.WriteAt(random(4096, seed), off); err != nil {
			x.t.Fatal(err)
		}
	}
	if err := errors.Join(d.Flush(), d.Close()); err != nil {
		x.t.Fatal(err)
	}
}

// has fails unless a volume holds the block of seed at off.
func (x *site) has(volume string, seed byte, off int64) {
	x.t.Helper()
	v, err := x.inv.Volume(x.t.Context(), volume)
	if err != nil {
		x.t.Fatal(err)
	}
	if !bytes.Equal(x.content(v)[off:off+4096], random(4096, seed)) {
		x.t.Errorf("volume %s has something else at %d", volume, off)
	}
}

func (x *site) record(volume string) inventory.Volume {
	x.t.Helper()
	v, err := x.inv.Volume(x.t.Context(), volume)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

func (x *site) snapshotOf(volume, name string) Snapshot {
	x.t.Helper()
	s, err := x.Snapshot(x.t.Context(), volume, name)
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// settledDown fails if anything is noted to be removed, or a snapshot of a moment is
// left.
func (x *site) settledDown() {
	x.t.Helper()
	if left, err := x.inv.Removals(x.t.Context()); err != nil || len(left) != 0 {
		x.t.Errorf("notes left: %v, %v", left, err)
	}
	for _, v := range x.eng.Volumes() {
		for _, s := range v.Snapshots {
			if strings.HasPrefix(s.Name, "moment-") {
				x.t.Errorf("left: snapshot %s@%s", v.ID, s.Name)
			}
		}
	}
}

func TestSnapshotAndRollback(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	if s := x.snapshotOf(v.ID, "monday"); !s.Clean || s.Own != 4096 || s.Image != "debian:12" || s.Volume != v.ID {
		t.Errorf("%+v", s)
	}
	x.write(v.ID, 11, 0, 8192)

	g := x.guest(v.ID)
	if s := x.snapshotOf(v.ID, "running"); s.Clean {
		t.Error("a snapshot of a running machine is called clean")
	}
	inUse := "volume \"" + v.ID + "\" is in use by machine pc1, which runs from it: switch pc1 off first"
	wantErr[*inventory.InUseError](t, x.Rollback(ctx, v.ID, "monday"), inUse)
	wantErr[*inventory.InUseError](t, x.Reset(ctx, v.ID), inUse)
	wantErr[*inventory.InUseError](t, x.Resize(ctx, v.ID, 1<<20), inUse)
	g.close()

	_, err := x.Snapshot(ctx, v.ID, "monday")
	wantErr[*inventory.ExistsError](t, err, "snapshot \""+v.ID+"@monday\" exists already: choose another name, or remove it first with `bootes volume rm "+v.ID+"@monday`")
	for _, name := range []string{"", "a b", "image", "-x"} {
		_, err := x.Snapshot(ctx, v.ID, name)
		wantErr[*inventory.InvalidError](t, err, fmt.Sprintf("snapshot name %q is not valid: it has letters, digits, dots, hyphens and underscores, begins with a letter or digit, has at most 64 characters and is not \"image\"", name))
	}
	wantErr[*inventory.NotFoundError](t, x.Rollback(ctx, v.ID, "sunday"), `no snapshot "`+v.ID+`@sunday": there are monday, running`)
	wantErr[*inventory.NotFoundError](t, x.RemoveSnapshot(ctx, v.ID, "sunday"), `no snapshot "`+v.ID+`@sunday": there are monday, running`)
	_, err = x.Snapshot(ctx, "pc9", "monday")
	wantErr[*inventory.NotFoundError](t, err, `no volume "pc9": there are `+v.ID)

	b := x.holds("pc1", v.ID)
	x.now = func() time.Time { return x.started.Add(comeback) }
	if err := x.Rollback(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	x.has(v.ID, 10, 0)
	if b, err := x.inv.Boot(ctx, b.ID); err != nil || b.Volume != "" {
		t.Errorf("the boot that knew the old content still has %q, %v", b.Volume, err)
	}
	if err := x.Rollback(ctx, v.ID, "running"); err != nil {
		t.Fatal(err)
	}
	x.has(v.ID, 11, 0)
	if err := x.RemoveSnapshot(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	info, err := x.Volume(ctx, v.ID)
	if err != nil || len(info.Snapshots) != 1 || info.Snapshots[0].Name != "running" || len(info.Volume.Snapshots) != 1 {
		t.Errorf("left: %+v, %v", info, err)
	}
	x.settledDown()
}

// A volume that is reset stands on what its tag means now; its snapshots still
// know what they stood on, and rolled back to it, it does again.
// TestIdentityOfSnapshots: what was a system that takes its identity from LUN 1
// is one again, whatever the volume was reset to meanwhile.
func TestIdentityOfSnapshots(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 1))
	if _, err := x.ImportImage(ctx, "plain:1", newDisk(random(diskSize, 2)), Meta{Source: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	point := func(image string) {
		if _, err := x.inv.SetTag(ctx, "any:stable", image); err != nil {
			t.Fatal(err)
		}
	}
	point("debian:12")
	x.machine("pc1", 1, "any:stable")
	x.machine("pc2", 2, "debian:12")
	v, err := x.CreateVolume(ctx, "pc1", "any:stable", inventory.Persistent, "")
	if err != nil {
		t.Fatal(err)
	}
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "old")
	point("plain:1")
	if err := x.Reset(ctx, v.ID); err != nil || x.record(v.ID).Identity {
		t.Fatalf("reset: %+v, %v", x.record(v.ID), err)
	}
	if m, err := x.Commit(ctx, v.ID, "old", "lab:1", ""); err != nil || !m.Identity {
		t.Errorf("its machines would all have one identity: %+v, %v", m, err)
	}
	if c, err := x.CloneVolume(ctx, v.ID, "old", "pc2"); err != nil || !c.Identity || c.Image != "debian:12" {
		t.Errorf("clone: %+v, %v", c, err)
	}
	if h, err := x.Backup(ctx, v.ID, "old", "", io.Discard, nil); err != nil || !h.Identity || h.Image != "debian:12" {
		t.Errorf("backup: %+v, %v", h, err)
	}
	if err := x.Rollback(ctx, v.ID, "old"); err != nil || !x.record(v.ID).Identity {
		t.Errorf("rollback: %+v, %v", x.record(v.ID), err)
	}
}

func TestResetFollowsTheTag(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 1))
	x.importImage("debian:13", random(diskSize+512, 2))
	point := func(image string) {
		if _, err := x.inv.SetTag(ctx, "debian:stable", image); err != nil {
			t.Fatal(err)
		}
	}
	point("debian:12")
	x.machine("pc1", 1, "debian:stable")
	v, err := x.CreateVolume(ctx, "pc1", "debian:stable", inventory.Persistent, "")
	if err != nil {
		t.Fatal(err)
	}
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "old")
	point("debian:13")
	if info, err := x.Volume(ctx, v.ID); err != nil || info.Newer != "debian:13" {
		t.Errorf("newer: %q, %v", info.Newer, err)
	}
	if err := x.Reset(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if now := x.record(v.ID); now.Image != "debian:13" || now.Ref != "debian:stable" || !bytes.Equal(x.content(now), random(diskSize+512, 2)) {
		t.Errorf("reset: %+v", now)
	}
	if err := x.RemoveImage(ctx, "debian:12"); err == nil || !strings.Contains(err.Error(), "is in use by snapshot "+v.ID+"@old: first remove that snapshot with `bootes volume rm "+v.ID+"@old`") {
		t.Errorf("removed an image under a snapshot: %v", err)
	}
	if err := x.Rollback(ctx, v.ID, "old"); err != nil {
		t.Fatal(err)
	}
	if now := x.record(v.ID); now.Image != "debian:12" {
		t.Errorf("rolled back: %+v", now)
	}
	x.has(v.ID, 10, 0)
}

func TestClone(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	g := x.guest(v.ID)
	if _, err := g.disk.WriteAt(random(4096, 11), 0); err != nil {
		t.Fatal(err)
	}
	clone := func(snapshot, machine string) (inventory.Volume, error) {
		return x.CloneVolume(ctx, v.ID, snapshot, machine)
	}
	for n, m := range []string{"pc2", "pc3"} {
		x.machine(m, byte(n+2), "debian:12")
	}
	old, err := clone("monday", "pc2")
	if err != nil || old.Machine != "pc2" || old.Ref != "debian:12" || old.Image != "debian:12" || !old.Identity {
		t.Fatalf("%+v, %v", old, err)
	}
	x.has(old.ID, 10, 0)
	now, err := clone("", "pc3") // while pc1 runs
	if err != nil {
		t.Fatal(err)
	}
	x.has(now.ID, 11, 0)
	x.write(now.ID, 12, 0)
	g.close()
	x.has(v.ID, 11, 0)
	if found := x.volumeOf("pc3"); found != now.ID {
		t.Errorf("pc3 boots from %s", found)
	}

	_, err = clone("", "pc2")
	wantErr[*inventory.ExistsError](t, err, "disk of machine \"pc2\" exists already: it is volume "+old.ID+"; remove that first with `bootes volume rm "+old.ID+"`")
	_, err = clone("sunday", "pc1")
	wantErr[*inventory.ExistsError](t, err, "disk of machine \"pc1\" exists already: it is volume "+v.ID+"; remove that first with `bootes volume rm "+v.ID+"`")
	_, err = clone("", "pc9")
	wantErr[*inventory.NotFoundError](t, err, `no machine "pc9": there are pc1, pc2, pc3`)
	if _, err := x.inv.AddMachine(ctx, inventory.Machine{Name: "pc4", MACs: []string{"52:54:00:00:00:04"}, Image: "debian:12", Mode: inventory.Ephemeral}); err != nil {
		t.Fatal(err)
	}
	_, err = clone("", "pc4")
	wantErr[*inventory.ModeError](t, err, "machine \"pc4\" is ephemeral: it gets a fresh clone of its image at each boot; make pc4 persistent first with `bootes machine set pc4 --persistent`")
	x.settledDown()
	if err := x.RemoveVolume(ctx, v.ID, false); err != nil {
		t.Fatal(err)
	}
	x.has(old.ID, 10, 0)
}

// volumeOf is what machine would boot from.
func (x *site) volumeOf(machine string) string {
	x.t.Helper()
	v, err := x.CreateVolume(x.t.Context(), machine, "debian:12", inventory.Persistent, "")
	if err != nil {
		x.t.Fatal(err)
	}
	return v.ID
}

func TestResize(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 8192)
	g := x.guest(v.ID)
	if err := x.Resize(ctx, v.ID, 8<<20); err != nil || g.disk.Size() != 8<<20 {
		t.Errorf("grown under a running machine: %d, %v", g.disk.Size(), err)
	}
	g.close()
	if err := x.Resize(ctx, v.ID, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := x.Resize(ctx, v.ID, 4<<20); err != nil {
		t.Fatal(err)
	}
	x.has(v.ID, 10, 8192)
	if b := x.content(x.record(v.ID))[1<<20:]; !bytes.Equal(b, make([]byte, len(b))) {
		t.Error("what was cut off is back")
	}
	wantErr[*inventory.InvalidError](t, x.Resize(ctx, v.ID, 1<<20+512), `size "1049088" is not valid: it is a multiple of 4096 bytes`)
	wantErr[*inventory.InvalidError](t, x.Resize(ctx, v.ID, 5<<50), `size "5629499534213120" is not valid: it is 4 PiB at most`)
}

// TestResizeTwiceAtOnce: what was to grow a volume does not shrink it.
func TestResizeTwiceAtOnce(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if err := x.Resize(ctx, v.ID, 16<<20); err != nil {
		t.Fatal(err)
	}
	wantErr[*inventory.InUseError](t, x.grow(ctx, v.ID, 8<<20), "volume \""+v.ID+"\" is in use by another command, which has made it larger meanwhile: look at its size, and try again")
	if info, err := x.Volume(ctx, v.ID); err != nil || info.Disk.Size != 16<<20 {
		t.Errorf("%d bytes, %v", info.Disk.Size, err)
	}
}

func TestWriteThrough(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if err := x.SetWriteThrough(ctx, v.ID, true); err != nil {
		t.Fatal(err)
	}
	if d, err := x.OpenVolume(ctx, v.ID); err != nil || !d.WriteThrough || d.Close() != nil {
		t.Errorf("%v", err)
	}
	e := x.volume("pc1", inventory.Ephemeral, x.boot("pc1").ID)
	wantErr[*inventory.ModeError](t, x.SetWriteThrough(ctx, e.ID, true),
		"volume \""+e.ID+"\" is ephemeral: it never outlives a power cut; make pc1 persistent first with `bootes machine set pc1 --persistent`")
}

func TestOpenStates(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	g := x.guest(v.ID)
	d, err := x.OpenState(ctx, v.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.disk.WriteAt(random(4096, 11), 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, d.Size())
	if _, err := d.ReadAt(b, 0); err != nil || !bytes.Equal(b, random(diskSize, 1)) || d.Clean {
		t.Errorf("the state is not that of when it was opened: %v, clean %v", err, d.Clean)
	}
	x.settledDown()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	g.close()

	_, err = x.OpenState(ctx, v.ID, "monday")
	wantErr[*inventory.NotFoundError](t, err, `no snapshot "`+v.ID+`@monday": there are no snapshots yet`)
	_, err = x.OpenImage(ctx, "debian:9")
	wantErr[*inventory.NotFoundError](t, err, `no image "debian:9": there are debian:12`)
	x.importImage("old:1", random(diskSize, 2))
	img, err := x.OpenImage(ctx, "old:1")
	if err != nil {
		t.Fatal(err)
	}
	wantErr[*inventory.InUseError](t, x.RemoveImage(ctx, "old:1"),
		"image \"old:1\" is in use by a command that reads it, such as `bootes image export`: wait until that has ended")
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if err := x.RemoveImage(ctx, "old:1"); err != nil {
		t.Error(err)
	}
}
