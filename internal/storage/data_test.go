package storage

import (
	"bytes"
	"errors"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/inventory"
)

const dataSize = 1 << 20

func (x *site) data(name string) inventory.Volume {
	x.t.Helper()
	v, err := x.CreateData(x.t.Context(), inventory.Volume{ID: name}, dataSize)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

func (x *site) attach(machine string, a inventory.Attachment) inventory.Attachment {
	x.t.Helper()
	a, err := x.inv.Attach(x.t.Context(), machine, a)
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

// A data volume's life: blank at first, used, kept in its states, backed up,
// made an image of, and gone.
func TestDataVolume(t *testing.T) {
	x, pc1 := newPC1(t)
	ctx := t.Context()
	v := x.data("data1")
	if v.Mode != inventory.Data || v.Machine != "" || v.Created.IsZero() {
		t.Errorf("%+v", v)
	}
	x.settledDown()
	if !bytes.Equal(x.content(v), make([]byte, dataSize)) {
		t.Error("it is not blank")
	}
	x.write("data1", 1, 0)
	x.snapshotOf("data1", "monday")
	x.write("data1", 2, 0, 4096)
	a := x.attach("pc1", inventory.Attachment{Volume: "data1"})

	// With a machine that has it, it keeps its content.
	inUse := "volume \"data1\" is in use by machine pc1 (LUN 2): first detach it with `bootes machine detach pc1 --lun 2`"
	wantErr[*inventory.InUseError](t, x.RemoveVolume(ctx, "data1", false), inUse)
	wantErr[*inventory.InUseError](t, x.RemoveVolume(ctx, "data1", true), inUse)
	wantErr[*inventory.InUseError](t, x.Rollback(ctx, "data1", "monday"), inUse)
	wantErr[*inventory.InUseError](t, x.Resize(ctx, "data1", dataSize/2), inUse)
	if err := x.Resize(ctx, "data1", 2*dataSize); err != nil {
		t.Error(err)
	}
	d, err := x.OpenAttached(ctx, "pc1", a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.inv.Detach(ctx, "pc1", a.LUN); err != nil {
		t.Fatal(err)
	}
	wantErr[*inventory.InUseError](t, x.RemoveVolume(ctx, "data1", true),
		`volume "data1" is in use by a machine that it was detached from, whose last I/O has not returned: try again`)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.OpenAttached(ctx, "pc1", a); err == nil || err.Error() != `volume data1 was detached from machine "pc1" meanwhile` {
		t.Errorf("%v", err)
	}

	if err := x.Rollback(ctx, "data1", "monday"); err != nil {
		t.Fatal(err)
	}
	x.has("data1", 1, 0)
	wantErr[*inventory.DataError](t, x.Reset(ctx, "data1"),
		"volume \"data1\" is a data volume: it was blank at first and has no image to go back to; `bootes volume rollback data1 SNAPSHOT` goes back to a snapshot")
	made, err := x.Commit(ctx, "data1", "monday", "seed:1", "")
	if err != nil || made.Image.Source != "volume data1@monday" || made.IdentityOf != "" {
		t.Errorf("%+v %v", made, err)
	}
	if b := x.backup("data1", "", ""); len(b) < 4096 {
		t.Errorf("a backup of %d bytes", len(b))
	}
	x.restart()
	x.reconcile()
	x.has("data1", 1, 0)
	if err := x.RemoveVolume(ctx, "data1", false); err != nil {
		t.Fatal(err)
	}
	x.settledDown()
	x.has(pc1.ID, 1, 0) // random(4096, 1) begins the image, too
}

// A name that exists costs nobody a disk.
func TestDataVolumeTwice(t *testing.T) {
	x, pc1 := newPC1(t)
	ctx := t.Context()
	x.data("data1")
	x.write("data1", 1, 0)
	for name, want := range map[string]string{
		"data1": "volume \"data1\" exists already: choose another name, or remove it first with `bootes volume rm data1`",
		"pc1":   `machine "pc1" exists already`,
		pc1.ID:  `does not end in a hyphen and eight hex digits`,
	} {
		_, err := x.CreateData(ctx, inventory.Volume{ID: name}, dataSize)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("%v", err)
		}
	}
	_, err := x.CreateData(ctx, inventory.Volume{ID: "data2"}, 512)
	wantErr[*inventory.InvalidError](t, err, `size "512" is not valid: it is a multiple of 4096 bytes`)
	_, err = x.CreateData(ctx, inventory.Volume{ID: "data2"}, 5<<50)
	wantErr[*inventory.InvalidError](t, err, `size "5629499534213120" is not valid: it is 4 PiB at most`)
	x.settledDown()
	x.restart()
	x.reconcile()
	x.has("data1", 1, 0)

	// One that only the disk knows of is not taken either.
	if _, err := x.inv.DropVolume(ctx, "data1"); err != nil {
		t.Fatal(err)
	}
	_, err = x.CreateData(ctx, inventory.Volume{ID: "data1"}, dataSize)
	wantErr[*inventory.ExistsError](t, err, `disk of a volume "data1" exists already: it has no record: the store was restored from an older backup, or its removal failed and is tried again at the next start; choose another name`)
	x.restart()
	x.reconcile("finished removing volume data1")
	x.data("data1")
}

// A making that was cut short leaves nothing, and a record without a disk is
// told of.
func TestDataVolumeCutShort(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	if err := x.inv.PrepareData(ctx, inventory.Volume{ID: "half", Mode: inventory.Data}); err != nil {
		t.Fatal(err)
	}
	x.data("gone")
	if err := x.eng.RemoveVolume("gone"); err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.reconcile("finished removing volume half",
		"data volume gone is on record but not on disk: `bootes volume rm gone` removes the record, once no machine has it attached")
	if err := x.RemoveVolume(ctx, "gone", false); err != nil {
		t.Error(err)
	}
}

// A machine outlives a power cut of the server only if none of its volumes has
// lost anything.
func TestHostRestartedUnderDataVolume(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	if err := x.SetWriteThrough(ctx, v.ID, true); err != nil {
		t.Fatal(err)
	}
	x.data("data1")
	x.attach("pc1", inventory.Attachment{Volume: "data1"})
	b := x.holds("pc1", v.ID)
	x.bootID++
	x.restart()
	x.reconcile("this host was restarted: boot " + b.ID + " is over, machine pc1 must boot again")

	if err := x.SetWriteThrough(ctx, "data1", true); err != nil {
		t.Fatal(err)
	}
	x.holds("pc1", v.ID)
	x.bootID++
	x.restart()
	x.reconcile()
}

func TestDataVolumeNearlyFull(t *testing.T) {
	w := Warning{Volume: inventory.Volume{ID: "data1", Mode: inventory.Data}, Used: 9 << 20, Limit: 10 << 20}
	if got, want := w.String(), "data volume data1 holds 9 MiB of the 10 MiB that it may, 90%; at the limit its writes fail: `bootes volume set data1 --limit SIZE` raises it"; got != want {
		t.Errorf("%q", got)
	}
}

func TestCDROM(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	_, err := x.ImportImage(ctx, "tools:1", newDisk(random(2048+512, 1)), Meta{Kind: inventory.CDROM}, nil)
	wantErr[*inventory.InvalidError](t, err, `CD-ROM "tools:1" is not valid: its size is a multiple of 2048 bytes, and this file has 2560: is it an ISO image, and whole?`)
	x.empty("a refused CD-ROM")

	content := random(3*2048, 1)
	img, err := x.ImportImage(ctx, "tools:1", newDisk(content), Meta{Kind: inventory.CDROM}, nil)
	if err != nil || img.Kind != inventory.CDROM || img.Size != 3*2048 {
		t.Fatalf("%+v %v", img, err)
	}
	d, err := x.OpenImage(ctx, "tools:1")
	if err != nil {
		t.Fatal(err)
	}
	dev, got := d.ReadOnly(), make([]byte, 3*2048)
	if _, err := dev.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) || dev.Size() != 3*2048 {
		t.Errorf("%v, %d bytes", err, dev.Size())
	}
	if p, ok := dev.(block.Pinner).Pin(0, 4096); ok {
		p.Held.Release()
	} else {
		t.Error("an image cannot be sent from the page cache")
	}
	if _, err := dev.WriteAt(got, 0); !errors.Is(err, block.ErrReadOnly) || !errors.Is(dev.Unmap(0, 512), block.ErrReadOnly) || dev.Flush() != nil {
		t.Errorf("%v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}

	// No machine's disk is made of it, however it comes to be asked for.
	x.importImage("debian:12", random(diskSize, 1))
	x.machine("pc1", 1, "debian:12")
	if _, err := x.SetTag(ctx, "debian:now", "debian:12"); err != nil {
		t.Fatal(err)
	}
	v, err := x.CreateVolume(ctx, "pc1", "debian:now", inventory.Persistent, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.SetTag(ctx, "debian:now", "tools:1"); err != nil {
		t.Fatal(err)
	}
	const want = "image \"tools:1\" is not valid: it is a CD-ROM, which no machine's disk can be made of: give a machine it beside its disk with `bootes machine attach MACHINE --image tools:1`"
	wantErr[*inventory.InvalidError](t, x.Reset(ctx, v.ID), want)
	_, err = x.CreateVolume(ctx, "pc1", "debian:now", inventory.Ephemeral, x.boot("pc1").ID)
	wantErr[*inventory.InvalidError](t, err, want)
	_, err = x.BeginUpdate(ctx, "pc1", "debian:now")
	wantErr[*inventory.InvalidError](t, err, want)
}

// A data volume comes back from its backups, over what was written since only
// by force, and not while a machine has it.
func TestDataVolumeRestored(t *testing.T) {
	x, _ := newPC1(t)
	ctx := t.Context()
	x.data("data1")
	x.write("data1", 1, 0)
	x.snapshotOf("data1", "monday")
	x.write("data1", 2, 4096)
	x.snapshotOf("data1", "tuesday")
	full, diff := x.backup("data1", "monday", ""), x.backup("data1", "tuesday", "monday")

	x.data("data2") // blank: nothing is lost
	r, err := x.restore("data2", full, false)
	if err != nil || r.ID != "data2" || r.Mode != inventory.Data || r.Lost != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	x.has("data2", 1, 0)
	if _, err := x.restore("data2", diff, false); err != nil {
		t.Fatal(err)
	}
	x.has("data2", 1, 0)
	x.has("data2", 2, 4096)

	x.write("data2", 3, 0)
	_, err = x.restore("data2", full, false)
	wantErr[*inventory.ExistsError](t, err, "content of volume \"data2\" exists already: --force replaces what is on it, and `bootes volume snapshot data2` keeps that first")
	a := x.attach("pc1", inventory.Attachment{Volume: "data2"})
	_, err = x.restore("data2", full, true)
	wantErr[*inventory.InUseError](t, err, "volume \"data2\" is in use by machine pc1 (LUN 2): first detach it with `bootes machine detach pc1 --lun 2`")
	if _, err := x.inv.Detach(ctx, "pc1", a.LUN); err != nil {
		t.Fatal(err)
	}
	if _, err := x.restore("data2", full, true); err != nil {
		t.Fatal(err)
	}
	x.has("data2", 1, 0)
	x.restart()
	x.reconcile()
	x.has("data2", 1, 0)
	_, err = x.restore("data2", []byte("no backup"), true)
	if err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(`restore volume "data2": `)) {
		t.Errorf("%v", err)
	}
}

// The blocks of a 4Kn disk stay what they are in what is made of it: its
// partition table counts in them.
func TestBlockSizeIsInherited(t *testing.T) {
	x, pc1 := newPC1(t)
	ctx := t.Context()
	if _, err := x.CreateData(ctx, inventory.Volume{ID: "data1", BlockSize: 4096}, dataSize); err != nil {
		t.Fatal(err)
	}
	x.write("data1", 1, 0)
	x.snapshotOf("data1", "monday")
	made, err := x.Commit(ctx, "data1", "monday", "seed:1", "")
	if err != nil || made.Image.BlockSize != 4096 {
		t.Fatalf("image %+v, %v", made.Image, err)
	}
	x.machine("pc2", 2, "seed:1")
	clone, err := x.CreateVolume(ctx, "pc2", "seed:1", inventory.Persistent, "")
	if err != nil {
		t.Fatal(err)
	}
	x.machine("pc3", 3, "debian:12")
	copied, err := x.CloneVolume(ctx, "data1", "monday", "pc3")
	if err != nil || clone.BlockSize != 4096 || copied.BlockSize != 4096 {
		t.Errorf("clone of the image %d, of the snapshot %d, %v", clone.BlockSize, copied.BlockSize, err)
	}
	if err := x.Reset(ctx, copied.ID); err != nil {
		t.Fatal(err)
	}
	if got := x.record(copied.ID).BlockSize; got != x.record(pc1.ID).BlockSize {
		t.Errorf("after a reset to another image: %d", got)
	}
}
