package storage

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/inventory"
)

// eventually gives the engine's background work its time.
func eventually(f func() bool) bool {
	for range 200 {
		if f() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestCommit(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	x.write(v.ID, 11, 0)
	g := x.guest(v.ID)

	now, err := x.Commit(ctx, v.ID, "", "debian:13", "debian:stable")
	if err != nil {
		t.Fatal(err)
	}
	if now.Clean || now.Ref() != "debian:13" || now.Tag.Image != "debian:13" || !now.Identity || now.IdentityOf != "pc1" ||
		now.Source != "volume "+v.ID+" of pc1, caught while it ran (crash-consistent)" {
		t.Errorf("%+v", now)
	}
	g.close()
	old, err := x.Commit(ctx, v.ID, "monday", "debian:monday", "")
	if err != nil || !old.Clean || old.Source != "volume "+v.ID+"@monday of pc1" || old.Tag.Ref != "" {
		t.Errorf("%+v, %v", old, err)
	}
	for n, i := range []struct {
		ref  string
		seed byte
	}{{"debian:13", 11}, {"debian:monday", 10}} {
		m := []string{"pc2", "pc3"}[n]
		x.machine(m, byte(n+2), i.ref)
		c, err := x.CreateVolume(ctx, m, i.ref, inventory.Persistent, "")
		if err != nil {
			t.Fatal(err)
		}
		x.has(c.ID, i.seed, 0)
	}
	if !eventually(func() bool {
		i, err := x.inv.Image(ctx, "debian:13")
		return err == nil && i.Digest != ""
	}) {
		t.Error("no digest followed")
	}

	commit := func(snapshot, ref, tag string) error { _, err := x.Commit(ctx, v.ID, snapshot, ref, tag); return err }
	wantErr[*inventory.ExistsError](t, commit("", "debian:13", ""), "image \"debian:13\" exists already: choose another tag, or remove it first with `bootes image rm debian:13`")
	wantErr[*inventory.InvalidError](t, commit("", "debian:14", "debian:14"), `tag "debian:14" is not valid: it is the image's own name: the tag needs another one`)
	wantErr[*inventory.NotFoundError](t, commit("sunday", "debian:14", ""), `no snapshot "`+v.ID+`@sunday": there are monday`)
	wantErr[*inventory.InvalidError](t, commit("", "debian", ""), `image "debian" is not valid: write it as name:tag, such as "debian:12"`)

	// What the volume stands on cannot go; the message says what helps.
	for _, m := range []string{"pc2", "pc3"} {
		for _, w := range x.eng.Volumes() {
			if strings.HasPrefix(w.ID, m) {
				if err := x.RemoveVolume(ctx, w.ID, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := x.RemoveMachine(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.inv.RemoveTag(ctx, "debian:stable"); err != nil {
		t.Fatal(err)
	}
	wantErr[*inventory.InUseError](t, x.RemoveImage(ctx, "debian:13"),
		"image \"debian:13\" is in use by volume "+v.ID+": first make that volume stand alone with `bootes volume flatten "+v.ID+"`")
}

// A commit that was cut short before its record is done by the same command, and
// no second layer is made.
func TestCommitCutShort(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	l, err := x.eng.Commit(v.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("layer " + l.ID + " holds ")
	made, err := x.Commit(ctx, v.ID, "", "debian:13", "")
	if err != nil || made.Layer != l.ID {
		t.Errorf("layer %s, want %s, %v", made.Layer, l.ID, err)
	}
	again, err := x.Commit(ctx, v.ID, "", "debian:14", "")
	if err != nil || again.Layer == l.ID {
		t.Errorf("a second image is the same layer, %v", err)
	}
	x.reconcile()
}

// A digest that came while nobody could write it down is recorded at the start.
func TestDigestCatchesUp(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	made, err := x.Commit(ctx, v.ID, "", "debian:13", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := x.eng.VerifyLayer(ctx, made.Layer, nil); err != nil {
		t.Fatal(err)
	}
	if err := x.inv.SetImageDigest(ctx, made.Layer, ""); err != nil {
		t.Fatal(err)
	}
	x.reconcile()
	l, err := x.eng.Layer(made.Layer)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := x.inv.Image(ctx, "debian:13"); err != nil || i.Digest != l.Digest || i.Digest == "" {
		t.Errorf("image %q, layer %q, %v", i.Digest, l.Digest, err)
	}
}

func TestPublish(t *testing.T) {
	x, own := newPC1(t)
	ctx := t.Context()
	publish := func(ref, tag string, running bool) (Made, error) { return x.Publish(ctx, "pc1", ref, tag, running) }
	_, err := publish("debian:13", "", false)
	wantErr[*inventory.UpdateError](t, err, "machine \"pc1\" is not in update mode: begin with `bootes image update IMAGE --machine pc1`")
	up, err := x.BeginUpdate(ctx, "pc1", "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	g := x.guest(up.ID)
	if _, err := g.disk.WriteAt(random(4096, 20), 0); err != nil {
		t.Fatal(err)
	}
	_, err = publish("debian:13", "", false)
	wantErr[*inventory.InUseError](t, err, "volume \""+up.ID+"\" is in use by machine pc1, which runs from it: switch pc1 off first, or "+
		"take the disk as it is, as after a power cut, with `bootes image publish pc1 debian:13 --running`")
	_, err = publish("debian:12", "", false)
	wantErr[*inventory.ExistsError](t, err, "image \"debian:12\" exists already: choose another tag, or remove it first with `bootes image rm debian:12`")
	g.close()
	made, err := publish("debian:13", "debian:stable", false)
	if err != nil || !made.Clean || made.Tag.Image != "debian:13" || made.IdentityOf != "" {
		t.Fatalf("%+v, %v", made, err)
	}
	if m, err := x.inv.Machine(ctx, "pc1"); err != nil || m.Update != nil {
		t.Errorf("still in update mode: %v", err)
	}
	if vs := x.eng.Volumes(); len(vs) != 1 || vs[0].ID != own.ID {
		t.Errorf("left: %+v", vs)
	}
	x.machine("pc2", 2, "debian:stable")
	c, err := x.CreateVolume(ctx, "pc2", "debian:stable", inventory.Persistent, "")
	if err != nil {
		t.Fatal(err)
	}
	x.has(c.ID, 20, 0)
	if !bytes.Equal(x.content(own), random(diskSize, 1)) {
		t.Error("the machine's own disk has changed")
	}
	x.settledDown()
}

// The volume of an update that is published under a running machine stays for
// it, over a restart of the server, too, and goes when nobody has it.
func TestPublishRunning(t *testing.T) {
	x, _ := newPC1(t)
	ctx := t.Context()
	up, err := x.BeginUpdate(ctx, "pc1", "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	x.holds("pc1", up.ID)
	g := x.guest(up.ID)
	made, err := x.Publish(ctx, "pc1", "debian:13", "", true)
	if err != nil || made.Clean {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := g.disk.WriteAt(random(4096, 20), 0); err != nil {
		t.Errorf("the machine cannot go on: %v", err)
	}
	g.close()
	x.restart()
	x.reconcile()
	if _, err := x.OpenVolume(ctx, up.ID); err != nil {
		t.Errorf("the machine cannot come back: %v", err)
	}
	x.restart()
	if err := x.inv.EndBoots(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	x.reconcile("removed volume " + up.ID + " of machine pc1: its update is over")
	if n := len(x.eng.Volumes()); n != 1 {
		t.Errorf("%d volumes", n)
	}
}

// A crash between the image's record and the end of its volume.
func TestPublishCutShort(t *testing.T) {
	x, _ := newPC1(t)
	ctx := t.Context()
	up, err := x.BeginUpdate(ctx, "pc1", "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.inv.Publish(ctx, inventory.Published{Machine: "pc1", Volume: up.ID, Image: inventory.Image{Name: "debian", Tag: "13", Layer: up.Layer}}); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("removed volume " + up.ID + " of machine pc1: its update is over")
	x.reconcile()
}

func TestUpdateWithoutRecord(t *testing.T) {
	x, _ := newPC1(t)
	ctx := t.Context()
	up, err := x.BeginUpdate(ctx, "pc1", "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	if err := x.eng.RemoveVolume(up.ID); err != nil {
		t.Fatal(err)
	}
	x.reconcile("volume " + up.ID + " of machine pc1 is on record but not on disk")
	if err := x.CancelUpdate(ctx, "pc1"); err != nil {
		t.Error(err)
	}
	x.reconcile()
}
