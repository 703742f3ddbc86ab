package cow_test

import (
	"errors"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

// between calls something just before a rename to a name, or just after the
// sync of a folder, once.
type between struct {
	vfs.FS
	mu    sync.Mutex
	hooks map[string]func() // by the end of the name
}

func (b *between) hook(suffix string, fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks[suffix] = fn
}

func (b *between) reached(name string) {
	b.mu.Lock()
	var hook func()
	for suffix, fn := range b.hooks {
		if strings.HasSuffix(name, suffix) {
			hook = fn
			delete(b.hooks, suffix)
		}
	}
	b.mu.Unlock()
	if hook != nil {
		hook()
	}
}

func (b *between) Rename(from, to string) error {
	b.reached(to)
	return b.FS.Rename(from, to)
}

func (b *between) SyncDir(dir string) error {
	err := b.FS.SyncDir(dir)
	b.reached(dir)
	return err
}

func openBetween(t *testing.T) (*between, *cow.Engine) {
	b := &between{FS: crashfs.New(1, "/"), hooks: map[string]func(){}}
	o := windowOptions(nil, 1)
	o.FS, o.MergeDepth = b, 8
	e := must(cow.Open("/d", o))
	t.Cleanup(func() { e.Close() })
	return b, e
}

// TestKeepWhileTheLastReferenceGoes keeps a layer whose last snapshot goes
// before it is known in memory that it is kept.
func TestKeepWhileTheLastReferenceGoes(t *testing.T) {
	b, e := openBetween(t)
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 4096, 1)
	s := must(e.Snapshot("v", "s"))
	ok(t, v.Close(), e.SetBase("v", ""))
	b.hook("/layers/"+s.Layer, func() { ok(t, e.RemoveSnapshot("v", "s")) })
	if err := e.Keep(s.Layer); err != nil {
		t.Fatal(err)
	}
	l, err := e.OpenLayer(s.Layer)
	if err != nil {
		t.Fatalf("a layer that was kept: %v", err)
	}
	wants(t, l, 0, 4096, 1)
	ok(t, l.Close())
}

// TestSetBaseWhileTheLayerGoes removes a layer that a volume is just being put
// on: it is in use.
func TestSetBaseWhileTheLayerGoes(t *testing.T) {
	b, e := openBetween(t)
	image := newLayer(t, e, "", 1<<20, nil)
	ok(t, newVolume(t, e, cow.VolumeSpec{Size: 1 << 20}).Close())
	b.hook("/volumes/v/meta", func() {
		if err := e.RemoveLayer(image.ID); !errors.Is(err, cow.ErrInUse) {
			t.Errorf("RemoveLayer: %v", err)
		}
	})
	ok(t, e.SetBase("v", image.ID))
	ok(t, must(e.OpenVolume("v")).Close())
}

// TestMetaOfALayerJustSealed changes the meta of a new layer while the seal
// that made it tidies up.
func TestMetaOfALayerJustSealed(t *testing.T) {
	b, e := openBetween(t)
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 4096, 1)
	var layer string
	writing, sealed, kept := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	b.hook("/volumes/v/meta", func() {
		layer = e.Layers()[0].ID
		b.hook("/layers/"+layer+"/meta", func() { close(writing); <-sealed })
		go func() { kept <- e.Keep(layer) }()
		<-writing
	})
	_, err := e.Snapshot("v", "s")
	close(sealed)
	ok(t, err, <-kept)
}

// TestUsedWhileSealing: no block counts twice, neither before nor after.
func TestUsedWhileSealing(t *testing.T) {
	b, e := openBetween(t)
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 8192, 1)
	b.hook("/volumes/v/meta", func() {
		if n := v.Used(); n != 8192 {
			t.Errorf("used %d", n)
		}
		if i := must(e.Volume("v")); i.Private != 8192 {
			t.Errorf("%+v", i)
		}
	})
	must(e.Snapshot("v", "s"))
	if n := v.Used(); n != 8192 {
		t.Errorf("used %d", n)
	}
}

// TestSealWhileMerging seals over a chain that is replaced at that moment: the
// old layers go all the same.
func TestSealWhileMerging(t *testing.T) {
	b, e := openBetween(t)
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	for i := range int64(4) {
		put(t, v, i*4096, 4096, uint32(i))
		must(e.Snapshot("v", string(rune('a'+i))))
	}
	ok(t, e.RemoveSnapshot("v", "a"), e.RemoveSnapshot("v", "b"))
	top := must(e.Volume("v")).Base
	put(t, v, 64<<10, 4096, 9)
	flat := make(chan error, 1)
	b.hook("/layers/"+path.Base(overlayOf(t, b.FS.(*crashfs.FS), "v")), func() {
		go func() { flat <- e.FlattenLayer(t.Context(), top, nil) }()
		for len(must(e.History(top))) > 2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
	})
	must(e.Snapshot("v", "e"))
	ok(t, <-flat)
	ok(t, e.RemoveSnapshot("v", "c"))
	onlyNeeded(t, "while it is open", e, b.FS.(*crashfs.FS))
	for i := range int64(4) {
		wants(t, v, i*4096, 4096, uint32(i))
	}
}

// TestLayerClosedAfterItsEngine changes nothing in a folder that may have
// another owner by now.
func TestLayerClosedAfterItsEngine(t *testing.T) {
	fs := crashfs.New(1, "/")
	e := must(cow.Open("/d", windowOptions(fs, 1)))
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 4096, 1)
	must(e.Snapshot("v", "s"))
	l := must(e.OpenSnapshot("v", "s"))
	ok(t, v.Close(), e.SetBase("v", ""), e.RemoveSnapshot("v", "s"))
	ok(t, e.Close())
	fs.SetFault(func(op, name string) error {
		if op == "rename" || op == "syncdir" {
			t.Error("after Close:", op, name)
		}
		return nil
	})
	ok(t, l.Close())
}
