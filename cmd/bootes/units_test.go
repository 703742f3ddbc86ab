package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

const lunsChanged = 0x3f0e

// A running machine is given disks, and they are taken from it; the next boot
// finds what is on record.
func TestAttachLive(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	disc := bytes.Repeat([]byte("disc"), 1024)
	s.image("tools:1", true, disc)
	s.add("pc01", 1)
	s.create(api.NewVolume{Name: "data1", BlockSize: 4096})
	g := s.run("pc01")
	g.disk(0)

	a := s.attach("pc01", api.AttachRequest{Volume: "data1"})
	if !a.Live || a.LUN != 2 || a.Kind != api.DiskImage {
		t.Errorf("%+v", a)
	}
	if n := g.news(0); n != lunsChanged {
		t.Errorf("its own disk tells %04x", n)
	}
	d := g.disk(2)
	if d.Size() != 1<<20 || d.BlockSize() != 4096 {
		t.Errorf("%d bytes in blocks of %d", d.Size(), d.BlockSize())
	}
	block := bytes.Repeat([]byte("x"), 4096)
	s.ok(d.WriteAt(ctx, block, 8192))
	a = s.attach("pc01", api.AttachRequest{Image: "tools:1"})
	if !a.Live || a.LUN != 3 || a.Kind != api.CDROM {
		t.Errorf("%+v", a)
	}
	cd := g.disk(3)
	got := make([]byte, len(disc))
	s.ok(cd.ReadAt(ctx, got, 0))
	if cd.BlockSize() != 2048 || !bytes.Equal(got, disc) {
		t.Errorf("blocks of %d, its content is right: %t", cd.BlockSize(), bytes.Equal(got, disc))
	}
	v, err := s.Volume(ctx, "data1")
	s.ok(err)
	if v.WrittenBytes != 4096 || !v.Open || fmt.Sprint(v.Attached) != "[{pc01 2}]" || v.BlockSize != 4096 || v.Mode != api.Data {
		t.Errorf("%+v", v)
	}

	// Growing is told, and what it may be writing to is not taken from it.
	for g.news(2) != 0 {
	}
	_, err = s.ResizeVolume(ctx, "data1", 2<<20, false)
	s.ok(err)
	if n := g.news(2); n != 0x2a09 {
		t.Errorf("the grown volume tells %04x", n)
	}
	_, err = s.Detach(ctx, "pc01", 2, false)
	refuses(t, err, "volume \"data1\" is in use by machine pc01, which runs and can write to it: unmount it there, then `bootes machine detach pc01 --lun 2 --force`")
	gone, err := s.Detach(ctx, "pc01", 3, false) // nothing is lost with a CD-ROM
	s.ok(err)
	if !gone.Live || gone.Image != "tools:1" {
		t.Errorf("%+v", gone)
	}
	g.absent(3)
	s.ok(s.RemoveImage(ctx, "tools:1"))
	gone, err = s.Detach(ctx, "pc01", 2, true)
	s.ok(err)
	if !gone.Live || gone.Volume != "data1" {
		t.Errorf("%+v", gone)
	}
	g.absent(2)
	g.disk(0)
	for _, want := range []string{"LUN 2, volume data1, was given", "LUN 3, image tools:1, was taken away"} {
		if told := s.told("pc01"); !strings.Contains(told, want) {
			t.Errorf("no %q in its timeline: %s", want, told)
		}
	}

	// It has its content with the next boot, too, and fences as the boot disk does.
	if a := s.attach("pc01", api.AttachRequest{Volume: "data1", ReadOnly: true}); !a.Live {
		t.Errorf("%+v", a)
	}
	next := s.run("pc01")
	got = make([]byte, 4096)
	s.ok(next.disk(2).ReadAt(ctx, got, 8192))
	if !bytes.Equal(got, block) {
		t.Error("the next boot reads something else")
	}
	if err := next.disk(2).WriteAt(ctx, block, 0); err == nil {
		t.Error("it was written to, read-only as it is")
	}
	if _, err := g.Disk(ctx, 2); err == nil {
		t.Error("the older boot has it still")
	}
	next.Close()
	s.closes("data1")
	s.ok(func() error { _, err := s.Detach(ctx, "pc01", 2, false); return err }())
	s.ok(s.RemoveVolume(ctx, "data1"))
}

// closes waits until nobody has a volume open.
func (s *servedTarget) closes(volume string) {
	s.t.Helper()
	for range 200 {
		v, err := s.Volume(s.t.Context(), volume)
		s.ok(err)
		if !v.Open {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("volume %s stays open", volume)
}

// A volume in two machines is one logical unit: what one reserves keeps the
// other out, also after the server's restart, until an admin clears it.
func TestSharedVolume(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	s.add("pc02", 2)
	s.create(api.NewVolume{Name: "quorum", Shared: true})
	s.attach("pc01", api.AttachRequest{Volume: "quorum"})
	one := s.run("pc01")
	two := s.run("pc02")
	if a := s.attach("pc02", api.AttachRequest{Volume: "quorum", LUN: 9}); !a.Live {
		t.Errorf("%+v", a)
	}
	block := bytes.Repeat([]byte("x"), 4096)
	s.ok(one.disk(2).WriteAt(ctx, block, 0))
	got := make([]byte, 4096)
	s.ok(two.disk(9).ReadAt(ctx, got, 0))
	if !bytes.Equal(got, block) {
		t.Error("one does not read what the other writes")
	}

	const register, reserve, exclusive, aptpl = 0, 1, 3, 1
	s.ok(one.reserve(2, register, 0, 0, 0xa, aptpl))
	s.ok(two.reserve(9, register, 0, 0, 0xb, aptpl))
	s.ok(one.reserve(2, reserve, exclusive, 0xa, 0, 0))
	held := func(g *guest, lun uint8) {
		t.Helper()
		r, err := g.Do(ctx, lun, []byte{0x28, 8: 1, 9: 0}, nil, make([]byte, 512))
		s.ok(err)
		if r.Status != 0x18 {
			t.Errorf("status %#x, it is not kept out: % x", r.Status, r.Sense())
		}
	}
	held(two, 9)
	v, err := s.Volume(ctx, "quorum")
	s.ok(err)
	r := v.Reservations
	if r == nil || r.Type != "exclusive access" || len(r.Registered) != 2 || !r.Kept || len(r.Holders) != 1 || !strings.Contains(r.Holders[0], ":init:pc01,i,0x800000000001") {
		t.Fatalf("%+v", r)
	}

	if out, _, code := bootes(t, "--socket", s.socket, "volume", "show", "quorum"); code != 0 || !strings.Contains(out, "\nreserved     exclusive access, by ") {
		t.Errorf("volume show:\n%s", out)
	}

	// The last to leave closes it; what is kept is shown from the store.
	one.Close()
	s.ok(two.disk(0).Flush(ctx))
	s.stop()
	s.closes("quorum")
	v, err = s.Volume(ctx, "quorum")
	s.ok(err)
	if v.Reservations == nil || fmt.Sprint(*v.Reservations) != fmt.Sprint(*r) {
		t.Errorf("%+v", v.Reservations)
	}
	s.serve()
	two = s.login(two.boot, 1)
	for two.news(9) != 0 {
	}
	held(two, 9)
	_, err = s.SetVolume(ctx, "quorum", api.VolumeChange{ClearReservations: true})
	s.ok(err)
	if n := two.news(9); n != 0x2a03 {
		t.Errorf("told %04x", n)
	}
	s.ok(two.disk(9).ReadAt(ctx, got, 0))
	v, err = s.Volume(ctx, "quorum")
	s.ok(err)
	if v.Reservations != nil {
		t.Errorf("%+v", v.Reservations)
	}
	off := false
	_, err = s.SetVolume(ctx, "quorum", api.VolumeChange{Shared: &off})
	refuses(t, err, `volume "quorum" is in use by machine pc01 (LUN 2), machine pc02 (LUN 9)`)
}

// A machine boots without what cannot be opened, and a command that cannot give
// a running machine a disk changes nothing.
func TestAttachedBroken(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	s.create(api.NewVolume{Name: "data1"})
	s.create(api.NewVolume{Name: "data2"})
	s.attach("pc01", api.AttachRequest{Volume: "data1"})
	other, err := s.storage.OpenVolume(ctx, "data1")
	s.ok(err)
	g := s.run("pc01")
	g.disk(0)
	g.absent(2)
	if told := s.told("pc01"); !strings.Contains(told, `it goes without LUN 2, volume data1, which cannot be opened: open volume "data1": `) {
		t.Errorf("the timeline says %q", told)
	}
	s.ok(other.Close())

	if other, err = s.storage.OpenVolume(ctx, "data2"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Attach(ctx, "pc01", api.AttachRequest{Volume: "data2"})
	refuses(t, err, `give volume data2 to machine "pc01": open volume "data2": `)
	m, err := s.Machine(ctx, "pc01")
	s.ok(err)
	if fmt.Sprint(m.Disks) != "[{2 data1  false}]" {
		t.Errorf("%+v", m.Disks)
	}
	s.ok(other.Close())
	if a := s.attach("pc01", api.AttachRequest{Volume: "data2"}); !a.Live {
		t.Errorf("%+v", a)
	}
}

// A data volume comes back from its backup, by the command line.
func TestDataVolumeRestored(t *testing.T) {
	w := newWired(t)
	for _, name := range []string{"data1", "data2"} {
		_, err := w.CreateVolume(t.Context(), api.NewVolume{Name: name, Size: 1 << 20})
		w.ok(err)
	}
	block := bytes.Repeat([]byte("x"), 4096)
	w.write("data1", block, 8192)
	file := filepath.Join(t.TempDir(), "data1.backup")
	for _, line := range []string{"volume backup data1 " + file, "volume restore data2 " + file} {
		if out, errs, code := bootes(t, append([]string{"--socket", w.socket}, strings.Fields(line)...)...); code != 0 {
			t.Fatalf("%s: code %d, %s%s", line, code, out, errs)
		}
	}
	d, err := w.storage.OpenVolume(t.Context(), "data2")
	w.ok(err)
	got := make([]byte, 4096)
	_, err = d.ReadAt(got, 8192)
	w.ok(errors.Join(err, d.Close()))
	if !bytes.Equal(got, block) {
		t.Error("it came back with something else")
	}
}

// A volume's limit of speed counts at once for those who have it open, for those
// who log in later, and until it is lifted.
func TestSpeed(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	s.create(api.NewVolume{Name: "data1"})
	s.attach("pc01", api.AttachRequest{Volume: "data1"})
	g := s.run("pc01")
	took := func(lun uint8, n int) time.Duration {
		t.Helper()
		d := g.disk(lun)
		time.Sleep(100 * time.Millisecond)
		start := time.Now()
		for range n {
			s.ok(d.ReadAt(ctx, make([]byte, 512), 0))
		}
		return time.Since(start)
	}
	const slow = 300 * time.Millisecond // ten at 20 a second take 450 ms, less the burst
	set := func(volume string, iops int64) {
		t.Helper()
		v, err := s.SetVolume(ctx, volume, api.VolumeChange{IOPS: &iops})
		s.ok(err)
		if v.IOPS != iops {
			t.Errorf("%+v", v)
		}
	}
	set("data1", 20)
	set(g.boot.Volume, 20)
	for _, when := range []string{"at once", "with the next boot"} {
		for _, lun := range []uint8{0, 2} {
			if d := took(lun, 10); d < slow {
				t.Errorf("%s: ten reads of LUN %d took %v", when, lun, d)
			}
		}
		g = s.run("pc01")
	}
	set("data1", 0)
	if d := took(2, 40); d >= 1500*time.Millisecond { // at 20 a second it takes 1950 ms
		t.Errorf("lifted: forty reads took %v", d)
	}
}
