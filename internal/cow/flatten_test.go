package cow_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

func content(t *testing.T, d block.Device) []byte {
	t.Helper()
	p := make([]byte, d.Size())
	must(d.ReadAt(p, 0))
	return p
}

// scribble makes some random changes.
func scribble(t *testing.T, rng *rand.Rand, d block.Device) {
	t.Helper()
	for range 20 {
		off := rng.Int64N(d.Size()/512) * 512
		n := min(d.Size()-off, (1+rng.Int64N(40))*512)
		if rng.IntN(4) == 0 {
			ok(t, d.Unmap(off, n))
		} else {
			put(t, d, off, n, rng.Uint32()|1)
		}
	}
}

// tower is a volume with n snapshots on an image of two layers, resized on the
// way, and the content of each snapshot.
func tower(t *testing.T, e *cow.Engine, n int) (v *cow.Volume, contents [][]byte) {
	rng := rand.New(rand.NewPCG(3, 4))
	image := newLayer(t, e, "", 1<<20+512, func(b *cow.LayerBuilder) { scribble(t, rng, builderDevice{b, 1<<20 + 512}) })
	image = newLayer(t, e, image.ID, 2<<20-512, func(b *cow.LayerBuilder) { scribble(t, rng, builderDevice{b, 2<<20 - 512}) })
	v = newVolume(t, e, cow.VolumeSpec{Base: image.ID})
	for i := range n {
		scribble(t, rng, v)
		contents = append(contents, content(t, v))
		must(e.Snapshot("v", fmt.Sprint("s", i)))
		switch i % 4 {
		case 1:
			ok(t, e.Resize("v", (v.Size()+64<<10)&^4095))
		case 3:
			ok(t, v.Close(), e.Resize("v", (v.Size()-128<<10)&^4095))
			v = openVolume(t, e, "v")
		}
	}
	scribble(t, rng, v)
	return v, contents
}

// builderDevice lets scribble write to a builder.
type builderDevice struct {
	*cow.LayerBuilder
	size int64
}

func (b builderDevice) ReadAt([]byte, int64) (int, error) { return 0, errors.New("cannot be read") }
func (b builderDevice) Flush() error                      { return nil }
func (b builderDevice) Size() int64                       { return b.size }

func TestFlattenVolume(t *testing.T) {
	for _, isOpen := range []bool{true, false} {
		e := open(t, t.TempDir(), cow.Options{Manual: true})
		v, contents := tower(t, e, 6)
		want := content(t, v)
		if !isOpen {
			ok(t, v.Close())
		}
		var done, total int64
		ok(t, e.FlattenVolume(t.Context(), "v", func(d, n int64) { done, total = d, n }))
		if done != total || total == 0 {
			t.Errorf("progress ended at %d of %d", done, total)
		}
		if !isOpen {
			v = openVolume(t, e, "v")
		}
		if info := must(e.Volume("v")); info.Depth != 1 || v.Used() != info.Private {
			t.Errorf("%+v, used %d", info, v.Used())
		}
		if !bytes.Equal(content(t, v), want) {
			t.Error("the content has changed")
		}
		for i, w := range contents {
			l := must(e.OpenSnapshot("v", fmt.Sprint("s", i)))
			if !bytes.Equal(content(t, l), w) {
				t.Errorf("snapshot %d has changed", i)
			}
			ok(t, l.Close(), e.RemoveSnapshot("v", fmt.Sprint("s", i)))
		}
		if n := len(e.Layers()); n != 3 { // the image, and ours
			t.Errorf("%d layers", n)
		}
		ok(t, e.FlattenVolume(t.Context(), "v", nil)) // nothing to do
		for _, l := range e.Layers() {
			if l.Kept && l.Depth == 2 {
				ok(t, e.RemoveLayer(l.ID))
			}
		}
		if !bytes.Equal(content(t, v), want) {
			t.Error("the content has changed with its image gone")
		}
		ok(t, v.Close())
	}
}

func TestFlattenRefusesTheLimit(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	v, _ := tower(t, e, 2)
	ok(t, e.SetLimit("v", v.Used()))
	if err := e.FlattenVolume(t.Context(), "v", nil); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("flattened beyond the limit: %v", err)
	}
	if n := len(e.Layers()); n != 4 {
		t.Errorf("%d layers", n)
	}
}

func TestFlattenLayer(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	v, _ := tower(t, e, 5)
	want := content(t, v)
	img := must(e.Commit("v", ""))
	ok(t, e.Settle(t.Context()))
	img = must(e.Layer(img.ID))
	ok(t, e.FlattenLayer(t.Context(), img.ID, nil))
	flat := must(e.Layer(img.ID))
	if flat.Depth != 2 || flat.Digest != img.Digest || img.Digest == "" {
		t.Errorf("%+v, before %+v", flat, img)
	}
	if !bytes.Equal(content(t, v), want) {
		t.Error("the content of the open volume has changed")
	}
	ok(t, e.VerifyLayer(t.Context(), img.ID, nil), v.Close())
	v = openVolume(t, e, "v")
	if !bytes.Equal(content(t, v), want) {
		t.Error("the content has changed")
	}
	if below := must(e.Layer(flat.Parent)); below.Own+img.Own > flat.Size+4096 {
		t.Errorf("hidden blocks were copied: %d over %d of %d", img.Own, below.Own, flat.Size)
	}
}

// TestFlattenUnderLoad writes, snapshots and reads while the ground moves.
func TestFlattenUnderLoad(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{MergeDepth: 4, FlattenDepth: 12})
	v, _ := tower(t, e, 6)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range int64(3) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for i := uint32(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				off := rng.Int64N(64)*12288 + w*4096 // a third of all blocks each
				put(t, v, off, 4096, i)
				wants(t, v, off, 4096, i)
				must(v.ReadAt(make([]byte, 64<<10), rng.Int64N(16)*64<<10))
			}
		})
	}
	for i := range 30 {
		name := fmt.Sprint("x", i)
		must(e.Snapshot("v", name))
		if i > 3 {
			ok(t, e.RemoveSnapshot("v", fmt.Sprint("x", i-3)))
		}
		if i%10 == 5 {
			ok(t, e.FlattenVolume(t.Context(), "v", nil))
		}
	}
	close(stop)
	wg.Wait()
	want := content(t, v)
	ok(t, e.Settle(t.Context()))
	if d := must(e.Volume("v")).Depth; d > 12 {
		t.Errorf("depth %d", d)
	}
	if !bytes.Equal(content(t, v), want) {
		t.Error("the content has changed")
	}
}

func TestMergeInTheBackground(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true, MergeDepth: 4, FlattenDepth: 8})
	v, contents := tower(t, e, 5)
	want := content(t, v)
	for i := range 4 { // the last one stays
		ok(t, e.RemoveSnapshot("v", fmt.Sprint("s", i)))
	}
	ok(t, e.Settle(t.Context()))
	if info := must(e.Volume("v")); info.Depth != 4 { // two of the image, the merged ones, s4
		t.Errorf("depth %d", info.Depth)
	}
	l := must(e.OpenSnapshot("v", "s4"))
	if !bytes.Equal(content(t, v), want) || !bytes.Equal(content(t, l), contents[4]) {
		t.Error("the content has changed")
	}
	ok(t, l.Close())
	for i := range 8 {
		put(t, v, int64(i)*4096, 4096, uint32(i+1))
		must(e.Snapshot("v", fmt.Sprint("t", i)))
	}
	want = content(t, v)
	ok(t, e.Settle(t.Context()))
	if info := must(e.Volume("v")); info.Depth != 3 { // flattened down to the image
		t.Errorf("depth %d", info.Depth)
	}
	ok(t, v.Close())
	v = openVolume(t, e, "v")
	if !bytes.Equal(content(t, v), want) {
		t.Error("the content has changed")
	}
}

// TestBackgroundAsksForTheLimitFirst takes snapshots of a volume that may not
// be flattened any more: nothing is copied in vain.
func TestBackgroundAsksForTheLimitFirst(t *testing.T) {
	fs := crashfs.New(1, "/")
	o := windowOptions(fs, 1)
	o.FlattenDepth = 4
	e := must(cow.Open("/d", o))
	defer e.Close()
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20, Limit: 60 << 10})
	copied := 0
	fs.SetFault(func(op, name string) error {
		if op == "write" && strings.Contains(name, "/tmp/layer-") && strings.HasSuffix(name, "/data") {
			copied++
		}
		return nil
	})
	for i := range int64(11) {
		put(t, v, i*4096, 4096, uint32(i))
		must(e.Snapshot("v", string(rune('a'+i))))
		before := copied
		ok(t, e.Settle(t.Context()))
		if depth := must(e.Volume("v")).Depth; depth > 4 && copied > before+1 { // the owner's sector
			t.Errorf("with %d layers: %d writes for nothing", depth, copied-before)
		}
	}
	if v.Used() != 60<<10 {
		t.Errorf("used %d", v.Used())
	}
}

// deepImages makes a chain of n images, each with a block of its own.
func deepImages(t *testing.T, e *cow.Engine, n int) (images []string) {
	for i := range n {
		parent := ""
		if i > 0 {
			parent = images[i-1]
		}
		l := newLayer(t, e, parent, 1<<20, func(b *cow.LayerBuilder) {
			p := make([]byte, 4096)
			fillStamp(p, uint32(i+1))
			must(b.WriteAt(p, int64(i)*4096))
		})
		images = append(images, l.ID)
	}
	return images
}

// TestDeepImageIsFlattenedOnce: what the clones of an image on a long chain can
// share is not copied for each of them.
func TestDeepImageIsFlattenedOnce(t *testing.T) {
	for _, c := range []struct{ images, snapshots int }{{11, 0}, {8, 2}} {
		e := open(t, t.TempDir(), cow.Options{Manual: true, MergeDepth: 4, FlattenDepth: 8})
		images := deepImages(t, e, c.images)
		var all []*cow.Volume
		for i := range 3 {
			id := fmt.Sprint("v", i)
			v := newVolume(t, e, cow.VolumeSpec{ID: id, Base: images[c.images-1]})
			for k := range c.snapshots {
				put(t, v, 512<<10, 4096, 99)
				must(e.Snapshot(id, fmt.Sprint("s", k)))
			}
			all = append(all, v)
		}
		before := len(e.Layers())
		ok(t, e.Settle(t.Context()))
		if n := len(e.Layers()) - before; n != 1 {
			t.Errorf("%+v: %d layers were made, want 1", c, n)
		}
		for i, v := range all {
			if d := must(e.Volume(fmt.Sprint("v", i))).Depth; d != 4 {
				t.Errorf("%+v: v%d has %d layers, want 4", c, i, d)
			}
			for b := range c.images {
				wants(t, v, int64(b)*4096, 4096, uint32(b+1))
			}
		}
	}
}

// TestBackgroundLeavesRoom: nothing is copied in the background that would
// take more than half of what is free, until there is more.
func TestBackgroundLeavesRoom(t *testing.T) {
	fs := crashfs.New(1, "/")
	o := windowOptions(fs, 1)
	o.MergeDepth, o.FlattenDepth = 4, 8
	e := must(cow.Open("/d", o))
	defer func() { e.Close() }()
	images := deepImages(t, e, 9)
	fs.SetCapacity(fs.Allocated() + 4*4096 + 4*4096 - 1)
	ok(t, e.Settle(t.Context()))
	if d := must(e.Layer(images[8])).Depth; d != 9 {
		t.Errorf("copied on a disk that is nearly full: %d layers", d)
	}
	fs.SetCapacity(0)
	ok(t, e.Close())
	e = must(cow.Open("/d", o))
	ok(t, e.Settle(t.Context()))
	if d := must(e.Layer(images[8])).Depth; d != 2 {
		t.Errorf("%d layers, want 2", d)
	}
}

// TestDefaultDepth: with the options as they are, one image of each sixteen is
// flattened, all that it stands on goes with its names, and the log tells.
func TestDefaultDepth(t *testing.T) {
	var log bytes.Buffer
	e := open(t, t.TempDir(), cow.Options{Manual: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	images := deepImages(t, e, 20)
	v := newVolume(t, e, cow.VolumeSpec{Base: images[19]})
	ok(t, e.Settle(t.Context()), e.Settle(t.Context()))
	for i, want := range map[int]int{15: 16, 16: 2, 19: 5} {
		if d := must(e.Layer(images[i])).Depth; d != want {
			t.Errorf("image %d has %d layers, want %d", i+1, d, want)
		}
	}
	const line = "a chain of layers that had grown long was copied into one"
	if s := log.String(); strings.Count(s, line) != 1 || !strings.Contains(s, "layers=16 top="+images[15]+" bytes=65536 took=") {
		t.Errorf("log: %s", s)
	}
	for _, id := range images[:19] {
		ok(t, e.VerifyLayer(t.Context(), id, nil))
	}
	for i := range 16 {
		ok(t, e.RemoveLayer(images[15-i]))
	}
	ok(t, e.Settle(t.Context()))
	if n := len(e.Layers()); n != 5 {
		t.Errorf("%d layers are left of the old images, want 5 in all", n)
	}
	for b := range int64(20) {
		wants(t, v, b*4096, 4096, uint32(b+1)) // open all the time
	}
}

// TestCopiesThatStayLeaveRoom: an eighth of the disk is left free by what is
// flattened in the background, however small the copy.
func TestCopiesThatStayLeaveRoom(t *testing.T) {
	fs := crashfs.New(1, "/")
	var log bytes.Buffer
	o := windowOptions(fs, 1)
	o.MergeDepth, o.FlattenDepth, o.Log = 4, 8, slog.New(slog.NewTextHandler(&log, nil))
	e := must(cow.Open("/d", o))
	defer func() { e.Close() }()
	images := deepImages(t, e, 9)
	fs.SetCapacity((fs.Allocated()+8*4096)*8/7 - 8*4096)
	ok(t, e.Settle(t.Context()))
	if d := must(e.Layer(images[8])).Depth; d != 9 || !strings.Contains(log.String(), "of the disk free") {
		t.Errorf("%d layers, log %s", d, log.String())
	}
}

// TestCopyEndsWithItsImage: once the image is gone for which a chain is copied,
// the copy ends, and nothing of it stays.
func TestCopyEndsWithItsImage(t *testing.T) {
	fs := crashfs.New(1, "/")
	var log bytes.Buffer
	o := windowOptions(fs, 1)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	e := must(cow.Open("/d", o))
	defer func() { e.Close() }()
	images := deepImages(t, e, 7)
	const pieces = 200
	strewn := newLayer(t, e, images[6], 4<<20, func(b *cow.LayerBuilder) { // so that it is copied piece by piece
		p := make([]byte, 4096)
		fillStamp(p, 7)
		for i := range int64(pieces) {
			must(b.WriteAt(p, 2*i*4096))
		}
	})
	top := newLayer(t, e, strewn.ID, 4<<20, nil)
	var copied atomic.Int32
	began := make(chan struct{})
	fs.SetFault(func(op, name string) error {
		if op == "write" && strings.Contains(name, "/tmp/layer-") && strings.HasSuffix(name, "/data") {
			if copied.Add(1) == 2 {
				close(began)
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	settled := make(chan error, 1)
	go func() { settled <- e.Settle(t.Context()) }()
	<-began
	ok(t, e.RemoveLayer(top.ID), <-settled)
	if n := copied.Load(); n > pieces/2 {
		t.Errorf("%d writes, though nobody wanted it any more", n)
	}
	if n := len(e.Layers()); n != 8 || log.Len() > 0 {
		t.Errorf("%d layers, log %s", n, log.String())
	}
	left := must(fs.List("/d/tmp"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	fs.SetFault(nil)
	top = newLayer(t, e, strewn.ID, 4<<20, nil)
	ok(t, e.Settle(t.Context()))
	if d := must(e.Layer(top.ID)).Depth; d != 2 {
		t.Errorf("the next one on the chain has %d layers, want 2", d)
	}
}

// TestChangesWhileTheGroundMoves: what the background copies after the earlier
// state was opened, and before the later one is, is no change.
func TestChangesWhileTheGroundMoves(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true, MergeDepth: 4, FlattenDepth: 8})
	images := deepImages(t, e, 9)
	v := newVolume(t, e, cow.VolumeSpec{Base: images[8]})
	put(t, v, 512<<10, 4096, 99)
	must(e.Snapshot("v", "a"))
	put(t, v, 4096, 4096, 98)
	ok(t, v.Unmap(8192, 4096))
	must(e.Snapshot("v", "b"))
	old := must(e.OpenSnapshot("v", "a"))
	defer old.Close()
	ok(t, e.Settle(t.Context()))
	if d := must(e.Volume("v")).Depth; d != 4 {
		t.Fatalf("%d layers, want 4", d)
	}
	l := must(e.OpenSnapshot("v", "b"))
	defer l.Close()
	var got []change
	ok(t, l.Changes(t.Context(), old, func(off, n int64, zero bool) error {
		got = append(got, change{off, n, zero})
		return nil
	}))
	if want := []change{{4096, 4096, false}, {8192, 4096, true}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
