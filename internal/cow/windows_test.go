package cow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// state is what must be there after a crash.
type state struct {
	volume    []byte // nil: there is none
	snapshots map[string][]byte
	images    int // kept layers
}

func (s state) equal(o state) bool {
	return bytes.Equal(s.volume, o.volume) && s.images == o.images && maps.EqualFunc(s.snapshots, o.snapshots, bytes.Equal)
}

func (s state) String() string {
	return fmt.Sprintf("%d bytes, %d snapshots, %d images", len(s.volume), len(s.snapshots), s.images)
}

// window is an operation that must be whole or not at all, wherever it is cut.
type window struct {
	name   string
	isOpen bool
	op     func(e *cow.Engine, v *cow.Volume) error
}

var windows = []window{
	{"snapshot", true, func(e *cow.Engine, _ *cow.Volume) error { return third(e.Snapshot("v", "new")) }},
	{"snapshot closed", false, func(e *cow.Engine, _ *cow.Volume) error { return third(e.Snapshot("v", "new")) }},
	{"remove snapshot", true, func(e *cow.Engine, _ *cow.Volume) error { return e.RemoveSnapshot("v", "s1") }},
	{"remove last snapshot", false, func(e *cow.Engine, _ *cow.Volume) error { return e.RemoveSnapshot("v", "s2") }},
	{"rollback", false, func(e *cow.Engine, _ *cow.Volume) error { return e.Rollback("v", "s1") }},
	{"reset", false, func(e *cow.Engine, _ *cow.Volume) error { return e.SetBase("v", "") }},
	{"grow", true, func(e *cow.Engine, _ *cow.Volume) error { return e.Resize("v", windowBlocks+16<<10) }},
	{"shrink", false, func(e *cow.Engine, _ *cow.Volume) error { return e.Resize("v", windowBlocks-16<<10) }},
	{"commit", true, func(e *cow.Engine, _ *cow.Volume) error { return third(e.Commit("v", "")) }},
	{"commit closed", false, func(e *cow.Engine, _ *cow.Volume) error { return third(e.Commit("v", "")) }},
	{"commit snapshot", true, func(e *cow.Engine, _ *cow.Volume) error { return third(e.Commit("v", "s1")) }},
	{"flatten", true, func(e *cow.Engine, _ *cow.Volume) error { return e.FlattenVolume(context.Background(), "v", nil) }},
	{"flatten closed", false, func(e *cow.Engine, _ *cow.Volume) error { return e.FlattenVolume(context.Background(), "v", nil) }},
	{"flatten image", true, func(e *cow.Engine, _ *cow.Volume) error {
		return e.FlattenLayer(context.Background(), topImage(e), nil)
	}},
	{"merge", true, func(e *cow.Engine, _ *cow.Volume) error {
		return errors.Join(e.RemoveSnapshot("v", "s1"), e.RemoveSnapshot("v", "s2"), e.Settle(context.Background()))
	}},
	{"remove", false, func(e *cow.Engine, _ *cow.Volume) error { return e.RemoveVolume("v") }},
	{"write through", true, func(e *cow.Engine, _ *cow.Volume) error { return e.SetWriteThrough("v", true) }},
}

func third[T any](_ T, err error) error { return err }

const (
	windowBlocks = 64 << 10
	windowDisk   = windowBlocks + 512
)

func topImage(e *cow.Engine) (id string) {
	depth := 0
	for _, l := range e.Layers() {
		if l.Kept && l.Depth > depth {
			id, depth = l.ID, l.Depth
		}
	}
	return id
}

// makeWindow makes a volume with snapshots and an overlay, all durable.
func makeWindow(t *testing.T, fs *crashfs.FS) (e *cow.Engine, v *cow.Volume) {
	e = must(cow.Open("/d", windowOptions(fs, 1)))
	rng := rand.New(rand.NewPCG(9, 9))
	image := newLayer(t, e, "", windowDisk, func(b *cow.LayerBuilder) { scribble(t, rng, builderDevice{b, windowDisk}) })
	image = newLayer(t, e, image.ID, windowDisk, func(b *cow.LayerBuilder) { scribble(t, rng, builderDevice{b, windowDisk}) })
	v = newVolume(t, e, cow.VolumeSpec{Base: image.ID})
	for _, name := range []string{"s1", "s2"} {
		scribble(t, rng, v)
		must(e.Snapshot("v", name))
	}
	scribble(t, rng, v)
	ok(t, v.Flush(), e.Settle(t.Context()))
	return e, v
}

func windowOptions(fs *crashfs.FS, boot byte) cow.Options {
	return cow.Options{FS: fs, BootID: [16]byte{boot}, JournalSize: 8 << 10, Manual: true, MergeDepth: 2, FlattenDepth: 8}
}

// look reads everything.
func look(t *testing.T, e *cow.Engine, v *cow.Volume) (s state) {
	t.Helper()
	s.snapshots = map[string][]byte{}
	for _, info := range e.Volumes() {
		if v == nil {
			var err error
			if v, err = e.OpenVolume(info.ID); errors.Is(err, cow.ErrNotExist) {
				continue // its removal was done, as is found out now
			}
			ok(t, err)
			defer v.Close()
		}
		s.volume = content(t, v)
		for _, snap := range must(e.Volume(info.ID)).Snapshots {
			l := must(e.OpenSnapshot(info.ID, snap.Name))
			s.snapshots[snap.Name] = content(t, l)
			ok(t, l.Close())
		}
	}
	for _, l := range e.Layers() {
		if l.Kept {
			s.images++
			ok(t, e.VerifyLayer(t.Context(), l.ID, nil))
		}
	}
	return s
}

// onlyNeeded demands that every layer is, and has no more files than it needs.
func onlyNeeded(t *testing.T, where string, e *cow.Engine, fs *crashfs.FS) {
	t.Helper()
	used, layers := map[string]bool{}, e.Layers()
	for _, info := range e.Volumes() {
		used[info.Base] = true
		for _, snap := range info.Snapshots {
			used[snap.Layer] = true
		}
	}
	for _, l := range layers {
		used[l.Parent] = true
	}
	for _, l := range layers {
		if !used[l.ID] && !l.Kept {
			t.Errorf("%s: layer %s is left over", where, l.ID)
		}
		for _, n := range must(fs.List("/d/layers/" + l.ID)) {
			if !slices.Contains([]string{"meta", "map", "data", "hashes"}, n) {
				t.Errorf("%s: layer %s has a file %s", where, l.ID, n)
			}
		}
	}
	if n := len(must(fs.List("/d/layers"))); n != len(layers) {
		t.Errorf("%s: %d folders for %d layers", where, n, len(layers))
	}
}

// outcome runs a window's operation on a fresh folder, without a crash.
func (w window) outcome(t *testing.T) (before, after state) {
	fs := crashfs.New(1, "/")
	e, v := makeWindow(t, fs)
	before = look(t, e, v)
	if !w.isOpen {
		ok(t, v.Close())
		v = nil
	}
	ok(t, w.op(e, v))
	ok(t, e.Settle(t.Context()))
	after = look(t, e, v)
	onlyNeeded(t, "no crash", e, fs)
	ok(t, e.Close())
	return before, after
}

// faulty lets so many operations pass, and then calls fail for each.
func faulty(fs *crashfs.FS, pass int, fail func(op string) error) (reached *bool) {
	ops := 0
	reached = new(bool)
	fs.SetFault(func(op, _ string) error {
		if op == "stat" || op == "list" || op == "read" || op == "forget" {
			return nil
		}
		if ops++; ops <= pass {
			return nil
		}
		*reached = true
		return fail(op)
	})
	return reached
}

// TestCutInEachWindow ends the machine, or the process, after each of the
// steps of each operation.
func TestCutInEachWindow(t *testing.T) {
	for _, w := range windows {
		t.Run(w.name, func(t *testing.T) {
			before, after := w.outcome(t)
			for cut := 0; ; cut += every {
				reached := false
				for _, kind := range []string{"kill", "power", "power"} {
					reached = w.cut(t, cut, kind == "kill", before, after)
				}
				if !reached {
					break
				}
			}
		})
	}
}

func (w window) cut(t *testing.T, cut int, kill bool, before, after state) bool {
	fs := crashfs.New(uint64(cut)+rand.Uint64(), "/")
	e, v := makeWindow(t, fs)
	if !w.isOpen {
		ok(t, v.Close())
	}
	reached := faulty(fs, cut, func(string) error { return os.ErrProcessDone })
	err := w.op(e, v)
	boot := byte(1)
	if kill {
		fs.Kill()
	} else {
		fs.PowerCut()
		boot = 2
	}
	_ = e.Close()
	fs.SetFault(nil)
	e = must(cow.Open("/d", windowOptions(fs, boot)))
	defer e.Close()
	w.check(t, fmt.Sprintf("cut %d, kill %v", cut, kill), e, fs, err, before, after)
	return *reached
}

func (w window) check(t *testing.T, where string, e *cow.Engine, fs *crashfs.FS, err error, before, after state) {
	t.Helper()
	onlyNeeded(t, where, e, fs)
	got := look(t, e, nil)
	switch {
	case err == nil && !got.equal(after):
		t.Errorf("%s: it was done, and there is %v, want %v", where, got, after)
	case w.name == "merge":
		// Several operations: each has its own test.
	case !got.equal(before) && !got.equal(after):
		t.Errorf("%s: there is %v, neither %v nor %v", where, got, before, after)
	}
	if got.volume == nil {
		return
	}
	v := must(e.OpenVolume("v")) // and life goes on
	put(t, v, 4096, 4096, 77)
	ok(t, v.Flush())
	must(e.Snapshot("v", "later"))
	ok(t, v.Close())
	v = must(e.OpenVolume("v"))
	wants(t, v, 4096, 4096, 77)
	ok(t, v.Close(), e.RemoveVolume("v"), e.Settle(t.Context()))
	for _, d := range []string{"/d/volumes", "/d/tmp", "/d/trash"} {
		if names := must(fs.List(d)); len(names) > 0 {
			t.Errorf("%s: left in %s: %v", where, d, names)
		}
	}
	onlyNeeded(t, where, e, fs)
}

// TestFailInEachWindow has one step after the other fail, once: the operation
// says so, and nothing else is lost, neither for those who go on nor for those
// who open the folder after.
func TestFailInEachWindow(t *testing.T) {
	for _, w := range windows {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(w.name+"/"+cause.Error(), func(t *testing.T) {
				before, after := w.outcome(t)
				for nth := 0; w.fail(t, nth, cause, before, after); nth++ {
				}
			})
		}
	}
}

func (w window) fail(t *testing.T, nth int, cause error, before, after state) bool {
	fs := crashfs.New(uint64(nth), "/")
	e, v := makeWindow(t, fs)
	if !w.isOpen {
		ok(t, v.Close())
	}
	var failed string
	once := false
	reached := faulty(fs, nth, func(op string) error {
		if once {
			return nil
		}
		once, failed = true, op
		return cause
	})
	err := w.op(e, v)
	fs.SetFault(nil)
	where := fmt.Sprintf("%d, %s, gave %v", nth, failed, err)
	if w.isOpen {
		// It goes on, or says that it failed and can be opened again.
		if _, werr := v.WriteAt(make([]byte, 512), windowDisk-512); werr == nil {
			before.volume, after.volume = nought(before.volume), nought(after.volume)
		}
		_ = v.Close()
	}
	got := look(t, e, nil)
	if w.name != "merge" && !got.equal(before) && !got.equal(after) {
		t.Errorf("%s: there is %v, neither %v nor %v", where, got, before, after)
	}
	if err == nil && !got.equal(after) && w.name != "merge" {
		t.Errorf("%s: it was done, and there is %v, want %v", where, got, after)
	}
	ok(t, e.Close())
	e = must(cow.Open("/d", windowOptions(fs, 1)))
	defer e.Close()
	w.check(t, where, e, fs, errors.New("perhaps"), before, after)
	return *reached
}

// nought is p with the sector zeroed that a test has overwritten.
func nought(p []byte) []byte {
	p = bytes.Clone(p)
	if len(p) >= windowDisk {
		clear(p[windowDisk-512 : windowDisk])
	}
	return p
}
