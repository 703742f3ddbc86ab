package cow_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
)

// put writes a stamp over n bytes.
func put(t *testing.T, d block.Device, off, n int64, stamp uint32) {
	t.Helper()
	p := make([]byte, n)
	fillStamp(p, stamp)
	if _, err := d.WriteAt(p, off); err != nil {
		t.Fatal(err)
	}
}

// wants demands a stamp over n bytes.
func wants(t *testing.T, d block.Device, off, n int64, stamp uint32) {
	t.Helper()
	want, got := make([]byte, n), make([]byte, n)
	fillStamp(want, stamp)
	if _, err := d.ReadAt(got, off); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("at %d: got %x…, want stamp %d", off, got[:8], stamp)
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotOpenAndClosed(t *testing.T) {
	for _, volatile := range []bool{false, true} {
		dir := t.TempDir()
		e := open(t, dir, cow.Options{})
		base := newLayer(t, e, "", 1<<20, func(b *cow.LayerBuilder) {
			p := make([]byte, 1<<20)
			fillStamp(p, 1)
			must(b.WriteAt(p, 0))
		})
		v := newVolume(t, e, cow.VolumeSpec{Base: base.ID, Volatile: volatile})
		s0 := must(e.Snapshot("v", "zero"))
		if s0.Layer != base.ID || s0.Size != 1<<20 {
			t.Errorf("a snapshot of an untouched clone: %+v", s0)
		}
		put(t, v, 0, 8192, 2)
		s1 := must(e.Snapshot("v", "one"))
		if s1.Own != 8192 || s1.Layer == base.ID {
			t.Errorf("%+v", s1)
		}
		put(t, v, 4096, 8192, 3)
		ok(t, v.Unmap(512<<10, 4096))
		if _, err := e.Snapshot("v", "one"); !errors.Is(err, cow.ErrExist) {
			t.Errorf("taken name: %v", err)
		}
		ok(t, v.Close())
		must(e.Snapshot("v", "two"))
		v = openVolume(t, e, "v")
		put(t, v, 0, 4096, 4)

		check := func(name string, stamps ...uint32) {
			t.Helper()
			l := must(e.OpenSnapshot("v", name))
			defer l.Close()
			for i, s := range stamps {
				wants(t, l, int64(i)*4096, 4096, s)
			}
			wants(t, l, 512<<10, 4096, map[bool]uint32{true: 0, false: 1}[name == "two"])
		}
		check("zero", 1, 1, 1)
		check("one", 2, 2, 1)
		check("two", 2, 3, 3)
		wants(t, v, 0, 4096, 4)
		wants(t, v, 4096, 4096, 3)
		if err := e.Rollback("v", "one"); !errors.Is(err, cow.ErrInUse) {
			t.Errorf("rollback while open: %v", err)
		}
		ok(t, v.Close(), e.Rollback("v", "one"))
		v = openVolume(t, e, "v")
		wants(t, v, 0, 8192, 2)
		wants(t, v, 8192, 4096, 1)
		check("two", 2, 3, 3) // later ones stay
		put(t, v, 0, 4096, 5)
		ok(t, e.Close())
		e = open(t, dir, cow.Options{})
		v = openVolume(t, e, "v")
		wants(t, v, 0, 4096, 5)
		check("one", 2, 2, 1)
		info := must(e.Volume("v"))
		if len(info.Snapshots) != 3 || info.Own != 4096 || info.Private != 4096+8192+12288-4096 || info.Depth != 2 {
			t.Errorf("%+v", info)
		}
		if v.Used() != info.Private {
			t.Errorf("used %d, private %d", v.Used(), info.Private)
		}
		ok(t, v.Close(), e.RemoveSnapshot("v", "one"), e.RemoveSnapshot("v", "zero"))
		if n := len(e.Layers()); n != 3 { // base; one, below the volume and two; two
			t.Errorf("%d layers", n)
		}
		ok(t, e.RemoveSnapshot("v", "two"))
		if n := len(e.Layers()); n != 2 {
			t.Errorf("%d layers", n)
		}
		if err := e.RemoveSnapshot("v", "two"); !errors.Is(err, cow.ErrNotExist) {
			t.Errorf("removed twice: %v", err)
		}
		ok(t, e.SetBase("v", base.ID))
		if n := len(e.Layers()); n != 1 {
			t.Errorf("%d layers", n)
		}
		v = openVolume(t, e, "v")
		wants(t, v, 0, 1<<20, 1)
		ok(t, v.Close(), e.RemoveVolume("v"), e.RemoveLayer(base.ID))
	}
}

func TestSnapshotOfBlank(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	v := newVolume(t, e, cow.VolumeSpec{Size: 1<<20 + 512})
	s := must(e.Snapshot("v", "empty"))
	put(t, v, 0, 4096, 1)
	l := must(e.OpenSnapshot("v", "empty"))
	wants(t, l, 0, 1<<20+512, 0)
	if s.Size != 1<<20+512 {
		t.Errorf("%+v", s)
	}
	ok(t, e.RemoveSnapshot("v", "empty"))
	wants(t, l, 0, 1<<20+512, 0) // until it is closed
	ok(t, l.Close())
	wants(t, v, 0, 4096, 1)
}

// What a snapshot counts for is what would not be there without it.
func TestSnapshotOwn(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	base := newLayer(t, e, "", 1<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 1<<20)
		fillStamp(p, 1)
		must(b.WriteAt(p, 0))
	})
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID})
	expect := func(when string, want ...int64) {
		t.Helper()
		all, sum := must(e.Volume("v")).Snapshots, int64(0)
		for i, s := range all {
			if sum += s.Own; s.Own != want[i] {
				t.Errorf("%s: snapshot %s has %d, want %d", when, s.Name, s.Own, want[i])
			}
		}
		if private := v.Used(); private != sum {
			t.Errorf("%s: %d in snapshots, %d count for the limit", when, sum, private)
		}
	}
	if s := must(e.Snapshot("v", "image")); s.Layer != base.ID || s.Own != 0 || s.Size != 1<<20 {
		t.Errorf("snapshot of an untouched clone: %+v", s)
	}
	put(t, v, 0, 8192, 2)
	if s := must(e.Snapshot("v", "a")); s.Own != 8192 {
		t.Errorf("%+v", s)
	}
	if s := must(e.Snapshot("v", "b")); s.Own != 0 {
		t.Errorf("nothing was written before it: %+v", s)
	}
	expect("two of one state", 0, 8192, 0)
	must(e.Commit("v", "b"))
	expect("committed", 0, 0, 0)
	ok(t, v.Close())
}

func TestCommit(t *testing.T) {
	hashed := make(chan cow.LayerInfo, 10)
	e := open(t, t.TempDir(), cow.Options{Hashed: func(l cow.LayerInfo) { hashed <- l }})
	base := newLayer(t, e, "", 3<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 3<<20)
		fillStamp(p, 1)
		must(b.WriteAt(p, 0))
	})
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID, Limit: 1 << 20})
	same := must(e.Commit("v", ""))
	if same.ID == base.ID || !same.Kept || same.Own != 0 {
		t.Errorf("commit of an untouched clone: %+v", same)
	}
	if got := <-hashed; got.ID != same.ID || got.Digest != base.Digest {
		t.Errorf("hashed %+v", got)
	}
	put(t, v, 1<<20, 8192, 2)
	one := must(e.Commit("v", ""))
	if !one.Kept || one.Own != 8192 || one.Depth != 2 || one.Parent != base.ID {
		t.Errorf("%+v", one)
	}
	if v.Used() != 0 {
		t.Errorf("an image counts for the limit: %d", v.Used())
	}
	put(t, v, 2<<20, 4096, 3)
	twin := newLayer(t, e, "", 3<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 3<<20)
		fillStamp(p, 1)
		fillStamp(p[1<<20:1<<20+8192], 2)
		must(b.WriteAt(p, 0))
	})
	if got := <-hashed; got.ID != one.ID || got.Digest != twin.Digest {
		t.Errorf("hashed %+v, want digest %s", got, twin.Digest)
	}
	must(e.Snapshot("v", "s"))
	two := must(e.Commit("v", "s"))
	again := must(e.Commit("v", "s"))
	if two.ID == again.ID || again.Parent != two.ID {
		t.Errorf("%+v, %+v", two, again)
	}
	ok(t, e.VerifyLayer(t.Context(), again.ID, nil))
	ok(t, v.Close())
	for _, l := range []string{one.ID, two.ID} {
		if err := e.RemoveLayer(l); !errors.Is(err, cow.ErrDependents) {
			t.Errorf("RemoveLayer: %v", err)
		}
	}
	ok(t, e.RemoveLayer(again.ID), e.RemoveVolume("v"), e.RemoveLayer(two.ID), e.RemoveLayer(one.ID), e.RemoveLayer(same.ID))
	if n := len(e.Layers()); n != 2 {
		t.Errorf("%d layers", n)
	}
}

func TestResize(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	base := newLayer(t, e, "", 2<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 2<<20)
		fillStamp(p, 1)
		must(b.WriteAt(p, 0))
	})
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID})
	ok(t, e.Resize("v", 3<<20))
	if v.Size() != 3<<20 {
		t.Errorf("size %d", v.Size())
	}
	wants(t, v, 2<<20-4096, 4096, 1)
	wants(t, v, 2<<20, 1<<20, 0)
	put(t, v, 3<<20-4096, 4096, 2)
	ok(t, e.Resize("v", 4<<20))
	wants(t, v, 3<<20-4096, 4096, 2)
	wants(t, v, 3<<20, 1<<20, 0)
	put(t, v, 4<<20-4096, 4096, 3)
	if err := e.Resize("v", 1<<20); !errors.Is(err, cow.ErrInUse) {
		t.Errorf("shrunk while open: %v", err)
	}
	if err := e.Resize("v", 5<<20+512); !errors.Is(err, block.ErrUnaligned) {
		t.Errorf("odd: %v", err)
	}
	ok(t, v.Close(), e.Resize("v", 1<<20), e.Resize("v", 4<<20))
	v = openVolume(t, e, "v")
	wants(t, v, 0, 1<<20, 1)
	wants(t, v, 1<<20, 3<<20, 0)
	must(e.Snapshot("v", "s")) // seals an empty layer, for the clip
	put(t, v, 0, 4096, 4)
	l := must(e.OpenSnapshot("v", "s"))
	wants(t, l, 0, 1<<20, 1)
	wants(t, l, 1<<20, 3<<20, 0)
	ok(t, l.Close(), v.Close())

	odd := newVolume(t, e, cow.VolumeSpec{ID: "odd", Size: 1<<20 + 512})
	put(t, odd, 1<<20, 512, 5)
	ok(t, e.Resize("odd", 2<<20))
	wants(t, odd, 1<<20, 512, 5)
	wants(t, odd, 1<<20+512, 1<<20-512, 0)
}

func TestWriteThrough(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 4096, 1)
	ok(t, e.SetWriteThrough("v", true))
	put(t, v, 4096, 4096, 2)
	if !must(e.Volume("v")).WriteThrough {
		t.Error("not noted")
	}
	newVolume(t, e, cow.VolumeSpec{ID: "w", Size: 1 << 20, Volatile: true})
	if e.SetWriteThrough("w", true) == nil {
		t.Error("a volatile volume became write-through")
	}
}

type change struct {
	off, n int64
	zero   bool
}

// changes of a snapshot of volume v since another one, or since zeros.
func changes(t *testing.T, e *cow.Engine, of, since string) (all []change) {
	t.Helper()
	l := must(e.OpenSnapshot("v", of))
	defer l.Close()
	var old *cow.Layer
	if since != "" {
		old = must(e.OpenSnapshot("v", since))
		defer old.Close()
	}
	ok(t, l.Changes(t.Context(), old, func(off, n int64, zero bool) error {
		all = append(all, change{off, n, zero})
		return nil
	}))
	return all
}

// TestChangesAcrossFlattening: what was flattened since lies elsewhere, and is
// no change.
func TestChangesAcrossFlattening(t *testing.T) {
	const size = 4<<20 + 512 // the last block is a part of one
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	v := newVolume(t, e, cow.VolumeSpec{Size: size})
	put(t, v, 0, size, 1)
	must(e.Snapshot("v", "a"))
	put(t, v, 4096, 4096, 2)
	put(t, v, size-512, 512, 3)
	ok(t, v.Unmap(1<<20, 8192))
	must(e.Snapshot("v", "b"))
	put(t, v, 2<<20, 8192, 4)
	put(t, v, 3<<20, 4096, 1) // as it was
	ok(t, e.FlattenVolume(t.Context(), "v", nil))
	put(t, v, 3<<20+4096, 4096, 5)
	must(e.Snapshot("v", "c"))
	for _, w := range []struct {
		of, since string
		want      []change
	}{
		{"c", "b", []change{{2 << 20, 8192, false}, {3<<20 + 4096, 4096, false}}},
		{"c", "a", []change{
			{4096, 4096, false}, {1 << 20, 8192, true}, {2 << 20, 8192, false},
			{3<<20 + 4096, 4096, false}, {size - 512, 512, false},
		}},
		{"b", "c", []change{{2 << 20, 8192, false}, {3<<20 + 4096, 4096, false}}},
	} {
		if got := changes(t, e, w.of, w.since); !slices.Equal(got, w.want) {
			t.Errorf("%s since %s: got %v, want %v", w.of, w.since, got, w.want)
		}
	}
	l, old := must(e.OpenSnapshot("v", "c")), must(e.OpenSnapshot("v", "a"))
	defer l.Close()
	defer old.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Changes(ctx, old, func(int64, int64, bool) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("comparing goes on after it was called off: %v", err)
	}
}

func TestChanges(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	v := newVolume(t, e, cow.VolumeSpec{Size: 256 << 20})
	put(t, v, 0, 128<<20, 1)
	must(e.Snapshot("v", "a"))
	put(t, v, 4096, 8192, 2)
	ok(t, v.Unmap(1<<20, 8192))
	must(e.Snapshot("v", "b"))
	put(t, v, 200<<20, 4096, 3)
	must(e.Snapshot("v", "c"))
	list := func(of, since string) []change { return changes(t, e, of, since) }
	equal := func(got []change, want ...change) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	equal(list("a", "a"))
	equal(list("a", ""), change{0, 128 << 20, false})
	equal(list("b", "a"), change{4096, 8192, false}, change{1 << 20, 8192, true})
	equal(list("c", "b"), change{200 << 20, 4096, false})
	equal(list("b", "c"), change{200 << 20, 4096, true})
	equal(list("c", "a"), change{4096, 8192, false}, change{1 << 20, 8192, true}, change{200 << 20, 4096, false})
}

func TestSkipSame(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	const size = 4<<20 + 512
	base := newLayer(t, e, "", size+8192, func(b *cow.LayerBuilder) {
		p := make([]byte, size+8192)
		fillStamp(p, 1)
		must(b.WriteAt(p, 0))
	})
	p := make([]byte, size)
	fillStamp(p, 1)
	fillStamp(p[4096:8192], 2)
	clear(p[1<<20 : 1<<20+8192])
	child := newLayer(t, e, base.ID, size, func(b *cow.LayerBuilder) {
		b.SkipSame(true)
		b.SetOrigin("somewhere")
		must(b.WriteAt(make([]byte, 8192), 0)) // and then better
		must(b.WriteAt(p, 0))
		ok(t, b.Unmap(2<<20-512, 1<<20))
	})
	clear(p[2<<20-512 : 3<<20-512])
	full := newLayer(t, e, "", size, func(b *cow.LayerBuilder) { must(b.WriteAt(p, 0)) })
	if child.Digest != full.Digest || child.Own != 4096+2*4096+4096 || child.Origin != "somewhere" {
		t.Errorf("%+v, want digest %s", child, full.Digest)
	}
}
