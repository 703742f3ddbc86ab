package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"bootes.dev/internal/backup"
	"bootes.dev/internal/inventory"
)

func TestImportOnABase(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	old := random(4<<20, 1)
	x.importImage("debian:12", old)
	next := bytes.Clone(old)
	copy(next[8192:], random(4096, 9))                   // one block differs
	clear(next[1<<20 : 2<<20])                           // a piece became zeros,
	pieces := []extent{{0, 1 << 20}, {2 << 20, 3 << 20}} // which the source does not even tell of
	next = next[:3<<20]                                  // and it is smaller
	src := newDisk(next)
	src.pieces = pieces
	img, err := x.ImportImage(ctx, "debian:13", src, Meta{Base: "debian:12"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.machine("pc1", 1, "debian:13")
	v, err := x.CreateVolume(ctx, "pc1", "debian:13", inventory.Persistent, "")
	if err != nil || !bytes.Equal(x.content(v), next) {
		t.Errorf("it is not what was imported, %v", err)
	}
	info, err := x.Image(ctx, "debian:13")
	if err != nil || info.Layer.Own != 4096 || info.Own != 4096 || info.Parent != "debian:12" || info.Layer.Parent == "" {
		t.Errorf("%+v, %v", info, err)
	}
	alone, err := x.ImportImage(ctx, "alone:1", newDisk(next), Meta{}, nil)
	if err != nil || x.digested(alone).Digest != x.digested(img).Digest {
		t.Errorf("%+v, without a base %+v, %v", img, alone, err)
	}
	_, err = x.ImportImage(ctx, "debian:14", newDisk(next), Meta{Base: "debian:9"}, nil)
	wantErr[*inventory.NotFoundError](t, err, `no image "debian:9": there are alone:1, debian:12, debian:13`)

	// The base stays while something is being built on it, and so does the name.
	_, err = x.ImportImage(ctx, "debian:14", newDisk(next), Meta{Base: "alone:1"}, func(done, total int64) {
		if done == total {
			err := x.RemoveImage(ctx, "alone:1")
			wantErr[*inventory.InUseError](t, err, "image \"alone:1\" is in use by image debian:14: first make that image stand alone with `bootes image flatten debian:14`")
			const claimed = `name "debian:14" is in use by another command, which makes an image or a tag of this name: wait until that has ended`
			_, err = x.SetTag(ctx, "debian:14", "debian:12")
			wantErr[*inventory.InUseError](t, err, claimed)
			_, err = x.Commit(ctx, v.ID, "", "debian:14", "")
			wantErr[*inventory.InUseError](t, err, claimed)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func (x *site) backup(volume, snapshot, since string) []byte {
	x.t.Helper()
	var b bytes.Buffer
	if _, err := x.Backup(x.t.Context(), volume, snapshot, since, &b, nil); err != nil {
		x.t.Fatal(err)
	}
	return b.Bytes()
}

func (x *site) restore(machine string, stream []byte, force bool) (Restored, error) {
	return x.Restore(x.t.Context(), machine, bytes.NewReader(stream), force, nil)
}

// Monday and Tuesday of pc1, backed up, and restored in turn on a server that
// has the image, and on one that has not.
func TestBackupAndRestore(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	x.write(v.ID, 11, 8192)
	x.snapshotOf(v.ID, "tuesday")
	x.write(v.ID, 12, 16384)
	full, diff := x.backup(v.ID, "monday", ""), x.backup(v.ID, "tuesday", "monday")
	image, live := x.backup(v.ID, "tuesday", SinceImage), x.backup(v.ID, "", "")
	if len(diff) > 10<<10 || len(image) > 20<<10 || len(full) < diskSize {
		t.Errorf("%d, %d and %d bytes", len(full), len(diff), len(image))
	}
	var invalid *inventory.InvalidError
	if _, err := x.Backup(ctx, v.ID, "monday", "monday", io.Discard, nil); !errors.As(err, &invalid) {
		t.Errorf("since itself: %v", err)
	}
	_, err := x.Backup(ctx, v.ID, "", "sunday", io.Discard, nil)
	wantErr[*inventory.NotFoundError](t, err, `no snapshot "`+v.ID+`@sunday": there are monday, tuesday`)
	x.settledDown()

	other := newSite(t)
	other.importImage("debian:12", random(diskSize, 1))
	strange := newSite(t)
	strange.importImage("debian:12", random(8192, 5)) // of this name, and another
	strange.importImage("suse:1", random(8192, 6))
	for name, s := range map[string]*site{"here": x, "where the image is, too": other, "elsewhere": strange} {
		ref := "debian:12"
		if s == strange {
			ref = "suse:1"
		}
		s.machine("pc7", 7, ref)
		if _, err := s.restore("pc7", full, false); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := s.restore("pc7", diff, false) // it adds to what is there
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := random(diskSize, 1)
		copy(want, random(4096, 10))
		copy(want[8192:], random(4096, 11))
		if !bytes.Equal(s.content(r.Volume), want) {
			t.Errorf("%s: it is not what was backed up", name)
		}
		if !r.Identity || r.Header.Snapshot != "tuesday" || len(s.eng.Volumes()) > 2 {
			t.Errorf("%s: %+v", name, r)
		}
		if info, err := s.eng.Volume(r.ID); s != strange && (err != nil || info.Private > 2*4096) {
			t.Errorf("%s: %d bytes beyond the image, %v", name, info.Private, err)
		}
	}

	// On a disk that has something of its own only by force.
	pc7 := x.volumeOf("pc7")
	x.write(pc7, 30, 0)
	_, err = x.restore("pc7", live, false)
	wantErr[*inventory.ExistsError](t, err, "disk of machine \"pc7\" exists already: it is volume "+pc7+"; --force replaces what is on it, and `bootes volume snapshot "+pc7+"` keeps that first")
	r, err := x.restore("pc7", live, true)
	if err != nil || r.ID != pc7 || r.Lost != 3*4096 {
		t.Errorf("by force: %+v, %v", r, err)
	}
	x.has(pc7, 12, 16384)
	g := x.guest(pc7)
	_, err = x.restore("pc7", live, true)
	wantErr[*inventory.InUseError](t, err, "volume \""+pc7+"\" is in use by machine pc7, which runs from it: switch pc7 off first")
	g.close()

	// A difference to the image needs no backup of ours before it.
	other.machine("pc8", 8, "debian:12")
	if r, err := other.restore("pc8", image, false); err != nil || r.Image != "debian:12" {
		t.Errorf("since the image: %+v, %v", r, err)
	}
	empty := newSite(t)
	empty.importImage("debian:12", random(8192, 5))
	empty.machine("pc1", 1, "debian:12")
	_, err = empty.restore("pc1", image, false)
	var earlier *EarlierStateError
	if !errors.As(err, &earlier) || !strings.HasPrefix(err.Error(), "this backup of volume "+v.ID+" holds only what changed since an earlier state (") {
		t.Errorf("without the earlier state: %v", err)
	}
}

// A stream that breaks off leaves nothing.
// TestMachineChangesDuringRestore: what is restored is the disk that the machine
// boots then.
func TestMachineChangesDuringRestore(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.importImage("debian:13", random(diskSize, 2))
	x.write(v.ID, 10, 0)
	stream := x.backup(v.ID, "", "")
	change := func(done, total int64) {
		if _, err := x.inv.SetMachine(ctx, "pc1", func(m *inventory.Machine) error { m.Image = "debian:13"; return nil }); err != nil {
			t.Error(err)
		}
	}
	r, err := x.Restore(ctx, "pc1", bytes.NewReader(stream), true, change)
	if err != nil || r.Ref != "debian:13" || r.ID == v.ID {
		t.Errorf("%+v, %v", r.Volume, err)
	}
	x.has(r.ID, 10, 0)
}

func TestRestoreFailures(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	full := x.backup(v.ID, "", "")
	x.machine("pc7", 7, "debian:12")
	layers := len(x.eng.Layers())
	bad := bytes.Clone(full)
	bad[len(bad)/2] ^= 1
	for name, stream := range map[string][]byte{"cut short": full[:len(full)-1], "damaged": bad, "none": []byte("\x1f\x8b and so on")} {
		_, err := x.restore("pc7", stream, false)
		var format *backup.FormatError
		if !errors.As(err, &format) || !strings.HasPrefix(err.Error(), `restore machine "pc7": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	_, err := x.Restore(cancelled, "pc7", bytes.NewReader(full), false, func(done, total int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(x.eng.Layers()) != layers || len(x.eng.Volumes()) != 1 {
		t.Errorf("%d layers, %d volumes", len(x.eng.Layers()), len(x.eng.Volumes()))
	}
	x.settledDown()
}

// What a restored disk stands on goes with it.
func TestRestoredDiskIsRemovedWhole(t *testing.T) {
	x, v := newPC1(t)
	full := x.backup(v.ID, "", "")
	y := newSite(t)
	y.importImage("suse:1", random(8192, 6))
	y.machine("pc1", 1, "suse:1")
	r, err := y.restore("pc1", full, false)
	if err != nil || r.Image != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	y.restart()
	y.reconcile()
	if !bytes.Equal(y.content(y.record(r.ID)), random(diskSize, 1)) {
		t.Error("after a restart it differs")
	}
	_, err = y.Diff(t.Context(), r.ID, "")
	wantErr[*NoImageError](t, err, "volume \""+r.ID+"\" stands on no image that is here: it was flattened, or came out of a backup; compare it with a snapshot of its own")
	if err := y.RemoveVolume(t.Context(), r.ID, false); err != nil {
		t.Fatal(err)
	}
	if n := len(y.eng.Layers()); n != 1 {
		t.Errorf("%d layers", n)
	}
}
