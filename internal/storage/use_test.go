package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/inventory"
)

// wantErr fails unless err is of type E and says want.
func wantErr[E error](t *testing.T, err error, want string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("got %v, not of type %T", err, e)
		return
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

// guest is a machine that holds its disk; EndDead closes it if it is dead.
type guest struct {
	x      *site
	disk   *Opened
	dead   bool
	inside func() // while nobody may log in
}

func (g *guest) EndDead(context.Context, string) {
	if g.dead {
		g.close()
	}
}

func (g *guest) Vacate(context.Context, string, string) (func(), error) {
	g.close()
	return g.inside, nil
}

func (g *guest) close() {
	if err := g.disk.Close(); err != nil {
		g.x.t.Error(err)
	}
}

func (x *site) guest(volume string) *guest {
	x.t.Helper()
	d, err := x.OpenVolume(x.t.Context(), volume)
	if err != nil {
		x.t.Fatal(err)
	}
	g := &guest{x: x, disk: d, inside: func() {}}
	x.o.Sessions = g
	x.t.Cleanup(func() { d.Close() })
	return g
}

// holds makes a boot of machine the one that holds a volume.
func (x *site) holds(machine, volume string) inventory.Boot {
	x.t.Helper()
	b := x.boot(machine)
	if _, err := x.inv.SetBoot(x.t.Context(), b.ID, func(b *inventory.Boot) { b.Volume = volume }); err != nil {
		x.t.Fatal(err)
	}
	b, _, err := x.inv.Promote(x.t.Context(), b.ID)
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func TestRemoveVolumeInUse(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	x.guest(v.ID)
	wantErr[*inventory.InUseError](t, x.RemoveVolume(ctx, v.ID, false),
		"volume \""+v.ID+"\" is in use by machine pc1, which runs from it: switch pc1 off first, or cut it off with `bootes volume rm "+v.ID+" --force`")
	if _, err := x.inv.Volume(ctx, v.ID); err != nil {
		t.Errorf("refused, and off the record: %v", err)
	}
	if err := x.RemoveVolume(ctx, v.ID, true); err != nil {
		t.Error(err)
	}
	if n := len(x.eng.Volumes()); n != 0 {
		t.Errorf("%d volumes on disk", n)
	}
}

// Nobody gets in between the end of the sessions and that of the volume.
func TestForceKeepsTheMachineOut(t *testing.T) {
	x := newSite(t)
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	released := false
	g := x.guest(v.ID)
	g.inside = func() {
		released = true
		if _, err := x.inv.Volume(context.Background(), v.ID); err == nil {
			t.Error("let in again, and the volume is on record still")
		}
	}
	if err := x.RemoveVolume(t.Context(), v.ID, true); err != nil || !released {
		t.Errorf("%v, released %v", err, released)
	}
}

// A machine that was just switched off cannot say so; it is asked.
func TestRemoveVolumeOfADeadMachine(t *testing.T) {
	x := newSite(t)
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	x.guest(v.ID).dead = true
	if err := x.RemoveVolume(t.Context(), v.ID, false); err != nil {
		t.Error(err)
	}
}

// Right after a start of the server a machine that runs may not be back yet.
func TestRemoveVolumeAfterAStart(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	x.holds("pc1", v.ID)
	x.restart()
	x.started = time.Date(2036, 1, 2, 12, 0, 0, 0, time.Local)
	x.now = func() time.Time { return x.started.Add(comeback - time.Second) }
	wantErr[*inventory.InUseError](t, x.RemoveVolume(ctx, v.ID, false),
		"volume \""+v.ID+"\" is in use by machine pc1, which had it before this server started at 12:00:00 and may come back to it: "+
			"wait until 12:02:00, or, if pc1 is off, cut it off with `bootes volume rm "+v.ID+" --force`")
	x.now = func() time.Time { return x.started.Add(comeback) }
	if err := x.RemoveVolume(ctx, v.ID, false); err != nil {
		t.Errorf("later: %v", err)
	}

	again := x.volume("pc1", inventory.Persistent, "")
	x.holds("pc1", again.ID)
	x.now = func() time.Time { return x.started }
	if err := x.RemoveVolume(ctx, again.ID, true); err != nil {
		t.Errorf("by force: %v", err)
	}
	if left, err := x.inv.Removals(ctx); err != nil || len(left) != 0 {
		t.Errorf("notes left: %v, %v", left, err)
	}
}

func TestRemoveImageNamesWhatStandsOnIt(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	old := x.importImage("debian:12", random(diskSize, 3))
	b, err := x.eng.NewLayerOn(old.Layer, diskSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteAt(random(4096, 9), 0); err != nil {
		t.Fatal(err)
	}
	layer, err := b.Seal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.inv.AddImage(ctx, inventory.Image{Name: "debian", Tag: "13", Layer: layer.ID}); err != nil {
		t.Fatal(err)
	}
	unpin := x.pins.add("lab:1", layer.ID)
	wantErr[*inventory.InUseError](t, x.RemoveImage(ctx, "debian:12"),
		"image \"debian:12\" is in use by image debian:13, image lab:1: first make those images stand alone with `bootes image flatten IMAGE`")
	unpin()
	wantErr[*inventory.InUseError](t, x.RemoveImage(ctx, "debian:12"),
		"image \"debian:12\" is in use by image debian:13: first make that image stand alone with `bootes image flatten debian:13`")

	// Its twin keeps the layer: nobody needs this name.
	if _, err := x.inv.AddImage(ctx, inventory.Image{Name: "twin", Tag: "12", Layer: old.Layer}); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveImage(ctx, "debian:12"); err != nil {
		t.Error(err)
	}
	if err := x.RemoveImage(ctx, "debian:13"); err != nil {
		t.Error(err)
	}
	if err := x.RemoveImage(ctx, "twin:12"); err != nil {
		t.Error(err)
	}
	x.empty("removing all images")
}

func TestUpdate(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	img := x.importImage("debian:12", random(diskSize, 3))
	if _, err := x.inv.SetTag(ctx, "debian:stable", "debian:12"); err != nil {
		t.Fatal(err)
	}
	x.machine("pc1", 1, "debian:stable")
	own, err := x.CreateVolume(ctx, "pc1", "debian:stable", inventory.Persistent, "")
	if err != nil || own.Ref != "debian:stable" || own.Image != "debian:12" || !own.Identity {
		t.Fatalf("%+v, %v", own, err)
	}
	wantErr[*inventory.UpdateError](t, x.CancelUpdate(ctx, "pc1"),
		"machine \"pc1\" is not in update mode: begin with `bootes image update IMAGE --machine pc1`")
	up, err := x.BeginUpdate(ctx, "pc1", "debian:stable")
	if err != nil || up.Mode != inventory.Updating || up.Image != "debian:12" || up.Layer != img.Layer {
		t.Fatalf("%+v, %v", up, err)
	}
	_, err = x.BeginUpdate(ctx, "pc1", "debian:12")
	var update *inventory.UpdateError
	if !errors.As(err, &update) || len(x.eng.Volumes()) != 2 {
		t.Errorf("twice: %v, %d volumes", err, len(x.eng.Volumes()))
	}
	_, err = x.BeginUpdate(ctx, "pc2", "debian:12")
	wantErr[*inventory.NotFoundError](t, err, `no machine "pc2": there are pc1`)
	if err := x.RemoveMachine(ctx, "pc1"); err == nil {
		t.Error("a machine in update mode was removed")
	}

	g := x.guest(up.ID)
	if err := x.CancelUpdate(ctx, "pc1"); err == nil || !strings.Contains(err.Error(), "switch pc1 off first") {
		t.Errorf("cancelled under a running machine: %v", err)
	}
	g.close()
	if err := x.CancelUpdate(ctx, "pc1"); err != nil {
		t.Error(err)
	}
	if vs := x.eng.Volumes(); len(vs) != 1 || vs[0].ID != own.ID {
		t.Errorf("left: %+v", vs)
	}
	if m, err := x.inv.Machine(ctx, "pc1"); err != nil || m.Update != nil {
		t.Errorf("still in update mode: %v", err)
	}
}

// Nothing is taken from a machine that may come back by static credentials.
func TestReplaceAfterAStartOfAnHBA(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if _, err := x.inv.NewStatic(ctx, "pc1", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.inv.HoldStatic(ctx, "pc1", v.ID); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.started = time.Date(2036, 1, 2, 12, 0, 0, 0, time.Local)
	x.now = func() time.Time { return x.started.Add(comeback - time.Second) }
	wantErr[*inventory.InUseError](t, x.Reset(ctx, v.ID),
		"volume \""+v.ID+"\" is in use by machine pc1, which had it before this server started at 12:00:00 and may come back to it: wait until 12:02:00")
	x.now = func() time.Time { return x.started.Add(comeback) }
	if err := x.Reset(ctx, v.ID); err != nil {
		t.Error(err)
	}
}

// A boot that was let in just before its disk was reset does not get the new one.
func TestOpenForABootThatLostItsDisk(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	b := x.holds("pc1", v.ID)
	d, err := x.OpenFor(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	x.now = func() time.Time { return x.started.Add(comeback) }
	if err := x.Reset(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	_, err = x.OpenFor(ctx, b)
	if want := `volume "` + v.ID + `" was removed, reset or rolled back meanwhile: the machine must boot again`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAwaited(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	x.holds("pc1", v.ID)
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.IsZero() {
		t.Errorf("%v %v", until, err)
	}
	x.restart()
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.Equal(x.started.Add(comeback)) {
		t.Errorf("after a start: %v %v", until, err)
	}
	x.now = func() time.Time { return x.started.Add(comeback) }
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.IsZero() {
		t.Errorf("two minutes later: %v %v", until, err)
	}
}

// A machine that had its disk by static credentials may come back, too.
func TestAwaitedHBA(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if _, err := x.inv.NewStatic(ctx, "pc1", ""); err != nil {
		t.Fatal(err)
	}
	x.restart()
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.IsZero() {
		t.Errorf("it never had it: %v %v", until, err)
	}
	if _, _, err := x.inv.HoldStatic(ctx, "pc1", v.ID); err != nil {
		t.Fatal(err)
	}
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.IsZero() {
		t.Errorf("since the start: %v %v", until, err)
	}
	x.restart()
	if until, err := x.Awaited(ctx, "pc1"); err != nil || !until.Equal(x.started.Add(comeback)) {
		t.Errorf("after a start: %v %v", until, err)
	}
}

// What static credentials open stays write-through as long as they are good: no
// power cut ends them.
func TestWriteThroughOfAnHBA(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if _, err := x.CreateData(ctx, inventory.Volume{ID: "data1"}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := x.inv.Attach(ctx, "pc1", inventory.Attachment{Volume: "data1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.inv.NewStatic(ctx, "pc1", ""); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{v.ID, "data1"} {
		if err := x.SetWriteThrough(ctx, id, true); err != nil {
			t.Fatal(err)
		}
		wantErr[*inventory.InUseError](t, x.SetWriteThrough(ctx, id, false), "volume \""+id+"\" is in use by machine pc1, which may log in by static credentials "+
			"and would not be told that writes are lost: end those first with `bootes machine credentials pc1 --revoke`")
	}
	if _, err := x.inv.RevokeStatic(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{v.ID, "data1"} {
		if err := x.SetWriteThrough(ctx, id, false); err != nil {
			t.Error(err)
		}
	}
}

// While static credentials hold a disk, the machine is given no other: its system
// could not tell.
func TestNoOtherDiskForAnHBA(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if _, err := x.inv.NewStatic(ctx, "pc1", ""); err != nil {
		t.Fatal(err)
	}
	if err := x.MayGiveDisk(ctx, "pc1"); err != nil {
		t.Errorf("it never had it: %v", err)
	}
	if _, _, err := x.inv.HoldStatic(ctx, "pc1", v.ID); err != nil {
		t.Fatal(err)
	}
	d, err := x.OpenVolume(ctx, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.BeginUpdate(ctx, "pc1", v.Ref)
	wantErr[*inventory.InUseError](t, err, "give machine \"pc1\" another disk, which static credentials would find in place of theirs: volume \""+v.ID+
		"\" is in use by machine pc1, which runs from it: switch pc1 off first")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	up, err := x.BeginUpdate(ctx, "pc1", v.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.inv.HoldStatic(ctx, "pc1", up.ID); err != nil {
		t.Fatal(err)
	}
	if d, err = x.OpenVolume(ctx, up.ID); err != nil {
		t.Fatal(err)
	}
	_, err = x.Publish(ctx, "pc1", "next:1", "", true)
	wantErr[*inventory.InUseError](t, err, "give machine \"pc1\" another disk, which static credentials would find in place of theirs: volume \""+up.ID+
		"\" is in use by machine pc1, which runs from it: switch pc1 off first")

	// A boot that has taken the disk keeps it, whatever comes next.
	x.holds("pc1", up.ID)
	if err := x.MayGiveDisk(ctx, "pc1"); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
