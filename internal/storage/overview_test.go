package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
)

// partitioned is a disk with two MBR partitions, of 1 MiB at 1 MiB and 2 MiB.
func partitioned() []byte {
	b := random(4<<20, 1)
	clear(b[:512])
	for i, start := range []uint32{2048, 4096} {
		e := b[446+16*i:]
		e[4] = 0x83
		binary.LittleEndian.PutUint32(e[8:], start)
		binary.LittleEndian.PutUint32(e[12:], 2048)
	}
	b[510], b[511] = 0x55, 0xaa
	return b
}

func TestDiff(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", partitioned())
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	x.write(v.ID, 10, 1<<20, 1<<20+8192, 2<<20-4096, 3<<20+4096)
	x.snapshotOf(v.ID, "monday")
	g := x.guest(v.ID)
	if err := g.disk.Unmap(2<<20, 64<<10); err != nil {
		t.Fatal(err)
	}
	sums := func(d Diff) (s string) {
		for _, p := range d.Partitions {
			s += fmt.Sprintf(" %d:%d+%d", p.Number, p.Changed, p.Zeroed)
		}
		return fmt.Sprintf("%d+%d%s", d.Changed, d.Zeroed, s)
	}
	now, err := x.Diff(ctx, v.ID, "")
	if want := "16384+65536 0:4096+0 1:12288+0 2:0+65536"; err != nil || sums(now) != want || now.Against != "debian:12" {
		t.Errorf("%s against %s, %v; want %s", sums(now), now.Against, err, want)
	}
	monday, err := x.Diff(ctx, v.ID, "monday")
	if want := "16384+0 0:4096+0 1:12288+0 2:0+0"; err != nil || sums(monday) != want {
		t.Errorf("monday: %s, %v; want %s", sums(monday), err, want)
	}
	g.close()
	x.settledDown()
}

func TestPiecesOfALyingTable(t *testing.T) {
	p := cut([]diskimage.Partition{{Number: 1, Start: 10, Size: 20}, {Number: 2, Start: 0, Size: 15}, {Number: 3, Start: 12, Size: 3}}, 40)
	p.count(0, 40, false)
	got := ""
	for _, s := range p.sums {
		got += fmt.Sprint(s.Number, ":", s.Changed, " ")
	}
	if got != "0:10 1:15 2:15 3:0 " {
		t.Error(got)
	}
}

func TestHistoryAndVerify(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	x.snapshotOf(v.ID, "monday")
	x.write(v.ID, 11, 0)
	if _, err := x.Commit(ctx, v.ID, "", "debian:13", ""); err != nil {
		t.Fatal(err)
	}
	lines, err := x.History(ctx, "debian:13")
	got := ""
	for _, l := range lines {
		got += fmt.Sprintf("%s %s %d\n", strings.Join(l.Images, ","), l.Snapshot, l.Own)
	}
	if want := fmt.Sprintf("debian:13  4096\n %s@monday 4096\ndebian:12  %d\n", v.ID, diskSize+3584); err != nil || got != want {
		t.Errorf("%v\n%swant\n%s", err, got, want)
	}
	good, err := x.VerifyImage(ctx, "debian:13", nil)
	if err != nil || len(good.Bad) != 0 || good.Digest == "" {
		t.Errorf("%+v, %v", good, err)
	}
	_, err = x.History(ctx, "debian:9")
	wantErr[*inventory.NotFoundError](t, err, `no image "debian:9": there are debian:12, debian:13`)
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	x := newSite(t)
	img := x.importImage("debian:12", random(diskSize, 1))
	f := x.dir + "/layers/" + img.Layer + "/data"
	flip(t, f, 1<<20+77)
	v, err := x.VerifyImage(t.Context(), "debian:12", nil)
	if err != nil || len(v.Bad) != 1 || v.Bad[0].Off != 1<<20 || v.Bad[0].Layers[0] != img.Layer {
		t.Errorf("%+v, %v", v, err)
	}
	flip(t, f, 3<<20-1)
	damage, err := x.CheckLayer(t.Context(), img.Layer)
	if want := "2 of 4 MiB changed since it was made, the first at 1 MiB, in the files of layer " + img.Layer; err != nil || damage != want {
		t.Errorf("%q, %v, want %q", damage, err, want)
	}
	flip(t, f, 3<<20-1)
	flip(t, f, 1<<20+77)
	if damage, err := x.CheckLayer(t.Context(), img.Layer); err != nil || damage != "" {
		t.Errorf("put right again: %q, %v", damage, err)
	}
	if _, err := x.CheckLayer(t.Context(), "none"); !errors.Is(err, cow.ErrNotExist) {
		t.Errorf("no such layer: %v", err)
	}
}

// Flattened, an image needs no other one, and a volume no image.
func TestFlatten(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	x.write(v.ID, 10, 0)
	if _, err := x.Commit(ctx, v.ID, "", "debian:13", ""); err != nil {
		t.Fatal(err)
	}
	var done, total int64
	if _, err := x.FlattenImage(ctx, "debian:13", func(d, n int64) { done, total = d, n }); err != nil || done != total || total == 0 {
		t.Fatalf("%d of %d, %v", done, total, err)
	}
	if i, err := x.Image(ctx, "debian:13"); err != nil || i.Parent != "" || i.Own != diskSize/4096*4096+4096 || i.Stored < i.Own {
		t.Errorf("%+v, %v", i, err)
	}
	if good, err := x.VerifyImage(ctx, "debian:13", nil); err != nil || len(good.Bad) != 0 {
		t.Errorf("%+v, %v", good, err)
	}
	err := x.FlattenVolume(ctx, v.ID, nil)
	wantErr[*LimitError](t, err, "volume \""+v.ID+"\" would hold up to 3 MiB of its own, and its limit is 1 MiB: raise that first with `bootes volume set "+v.ID+" --limit SIZE`")
	if _, err := x.SetLimit(ctx, v.ID, 0); err != nil {
		t.Fatal(err)
	}
	g := x.guest(v.ID)
	if err := x.FlattenVolume(ctx, v.ID, nil); err != nil {
		t.Fatal(err)
	}
	g.close()
	x.has(v.ID, 10, 0)
	if err := x.RemoveImage(ctx, "debian:13"); err != nil {
		t.Error(err)
	}
	x.restart()
	x.reconcile()
	x.has(v.ID, 10, 0)
}

func TestSpace(t *testing.T) {
	x, v := newPC1(t)
	x.write(v.ID, 10, 0)
	o, err := x.Space(t.Context())
	if err != nil || len(o.Images) != 1 || len(o.Volumes) != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	img, vol := o.Images[0], o.Volumes[0]
	if img.Own != 0 || img.Shared < diskSize || vol.Shared != img.Shared || vol.Own <= 0 || vol.Virtual != diskSize || o.Total != vol.Own+vol.Shared {
		t.Errorf("%+v", o)
	}
	if o.Capacity < o.Free || o.Free <= 0 || o.Dir != x.dir {
		t.Errorf("%+v", o)
	}
}

func TestWarnings(t *testing.T) {
	x, v := newPC1(t) // its limit is 1 MiB
	var told []Warning
	x.o.WarnAt, x.o.Warn = 80, func(w Warning) { told = append(told, w) }
	g := x.guest(v.ID)
	defer g.close()
	x.o.MinFree = 1 << 30
	const roomy, nearly = 10 << 30, 3 << 29
	look := func(what string, free int64, want ...string) {
		t.Helper()
		told = nil
		x.look(free)
		got := []string{}
		for _, w := range told {
			got = append(got, w.String())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
		}
	}
	fill := func(from, to int64) {
		t.Helper()
		if _, err := g.disk.WriteAt(random(int(to-from), 3), from); err != nil {
			t.Fatal(err)
		}
	}
	full := "its disk holds 824 KiB of the 1 MiB that it may, 80%; at the limit its writes fail: `bootes volume set " + v.ID + " --limit SIZE` raises it"
	tight := fmt.Sprintf("this server's disk has 1.5 GiB free, and at 1 GiB the writes of all machines fail: make room under %q", x.dir)
	fill(0, 700<<10)
	look("below", roomy)
	fill(700<<10, 824<<10)
	look("beyond", roomy, full)
	look("still beyond", roomy)
	look("nearly full", nearly, tight)
	look("still nearly full", nearly)
	look("roomy again", roomy)
	look("nearly full again", nearly, tight)
	if err := g.disk.Unmap(0, 40<<10); err != nil {
		t.Fatal(err)
	}
	look("just below", roomy)
	fill(0, 40<<10)
	look("and back", roomy)
	if err := g.disk.Unmap(0, 400<<10); err != nil {
		t.Fatal(err)
	}
	look("well below", roomy)
	fill(0, 400<<10)
	look("beyond again", roomy, full)
	if _, err := x.SetLimit(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	look("no limit", roomy)
}

// What the overview says of warnings is what Watch has found.
func TestSpaceTellsOfWarnings(t *testing.T) {
	x, v := newPC1(t) // its limit is 1 MiB
	x.o.WarnAt, x.o.MinFree = 80, 1
	told := func(what string, open, full bool, warnings, used int64) {
		t.Helper()
		o, err := x.Space(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := o.Volumes[0]
		if got.Open != open || got.NearlyFull != full || got.Warnings != warnings || got.Used != used || o.NearlyFull {
			t.Errorf("%s: open %v, nearly full %v, %d warnings, used %d; the disk %v", what, got.Open, got.NearlyFull, got.Warnings, got.Used, o.NearlyFull)
		}
	}
	x.write(v.ID, 3, 0)
	told("hardly written", false, false, 0, 4096)
	g := x.guest(v.ID)
	if _, err := g.disk.WriteAt(random(824<<10, 3), 0); err != nil {
		t.Fatal(err)
	}
	told("before it is watched", true, true, 0, 824<<10)
	x.look(10 << 30)
	told("watched", true, true, 1, 824<<10)
	if err := g.disk.Unmap(0, 40<<10); err != nil {
		t.Fatal(err)
	}
	told("just below", true, true, 1, 784<<10)
	g.close()
	told("closed", false, false, 1, 784<<10)
	x.o.WarnAt = 100
	told("never warned of", false, false, 1, 784<<10)

	x.o.MinFree = 1 << 60
	if o, err := x.Space(t.Context()); err != nil || !o.NearlyFull || o.MinFree != 1<<60 {
		t.Errorf("a disk below its reserve: %+v, %v", o, err)
	}
	x.o.MinFree = 1
	x.settledDown()
	if err := x.RemoveVolume(t.Context(), v.ID, true); err != nil || x.warned.count(v.ID) != 0 {
		t.Errorf("%d warnings of a volume that is gone, %v", x.warned.count(v.ID), err)
	}
}

func flip(t *testing.T, file string, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
