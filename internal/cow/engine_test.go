package cow_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

func TestFolderBelongsToOne(t *testing.T) {
	dir := t.TempDir()
	e := must(cow.Open(dir, cow.Options{}))
	_, err := cow.Open(dir, cow.Options{})
	if !errors.Is(err, cow.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Open: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, cow.Options{})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := cow.Open(filepath.Join(t.TempDir(), "no", "such"), cow.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing parent: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cow.Open(file, cow.Options{}); err == nil {
		t.Error("a file was taken for a data folder")
	}
}

func TestVolumeLife(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	base := newLayer(t, e, "", 1<<20, nil)
	info := must(e.CreateVolume(cow.VolumeSpec{ID: "pc-1", Base: base.ID}))
	if info.Size != 1<<20 || info.Open || info.Created.IsZero() {
		t.Errorf("%+v", info)
	}
	for _, s := range []cow.VolumeSpec{
		{ID: "pc-1", Size: 512}, {ID: "", Size: 512}, {ID: "../x", Size: 512}, {ID: "a/b", Size: 512}, {ID: ".", Size: 512},
		{ID: "x"}, {ID: "x", Size: 513}, {ID: "x", Size: -512}, {ID: "x", Base: "nope"}, {ID: "x", Size: 512, Limit: -1},
	} {
		if _, err := e.CreateVolume(s); err == nil {
			t.Errorf("CreateVolume(%+v) succeeded", s)
		}
	}
	if _, err := e.CreateVolume(cow.VolumeSpec{ID: "pc-1", Size: 512}); !errors.Is(err, cow.ErrExist) {
		t.Errorf("taken name: %v", err)
	}
	v := openVolume(t, e, "pc-1")
	if _, err := e.OpenVolume("pc-1"); !errors.Is(err, cow.ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := e.RemoveVolume("pc-1"); !errors.Is(err, cow.ErrInUse) {
		t.Errorf("removed while open: %v", err)
	}
	must(v.WriteAt(make([]byte, 8192), 0))
	must(v.ReadAt(make([]byte, 512), 0))
	if s := v.Stats(); s.Reads != 1 || s.ReadBytes != 512 || s.Writes != 1 || s.WrittenBytes != 8192 {
		t.Errorf("%+v", s)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"read": second(v.ReadAt(make([]byte, 512), 0)), "write": second(v.WriteAt(make([]byte, 512), 0)),
		"unmap": v.Unmap(0, 512), "flush": v.Flush(),
	} {
		if !errors.Is(err, block.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	var d *cow.DependentsError
	if err := e.RemoveLayer(base.ID); !errors.As(err, &d) || len(d.Volumes) != 1 || d.Volumes[0] != "pc-1" {
		t.Errorf("RemoveLayer: %v", err)
	}
	if err := e.RemoveVolume("pc-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Volume("pc-1"); !errors.Is(err, cow.ErrNotExist) {
		t.Errorf("removed volume: %v", err)
	}
	if err := e.RemoveLayer(base.ID); err != nil {
		t.Fatal(err)
	}
	if len(e.Layers())+len(e.Volumes()) != 0 {
		t.Error("something is left")
	}
}

func second(_ int, err error) error { return err }

func TestLayer(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, cow.Options{})
	const size = 5<<20 + 512
	fill := func(b *cow.LayerBuilder) {
		p := make([]byte, 3<<20)
		for i := 0; i < 1<<20; i += 512 {
			fillStamp(p[i:i+512], uint32(i)|1)
		}
		must(b.WriteAt(p, 512))
		must(b.WriteAt(p[:512], size-512))
	}
	l := newLayer(t, e, "", size, fill)
	if !strings.HasPrefix(l.Digest, "sha256:") || len(l.Digest) != 71 {
		t.Errorf("digest %q", l.Digest)
	}
	if l.Stored < 1<<20 || l.Stored > 1<<20+100<<10 {
		t.Errorf("a layer with 1 MiB of content occupies %d bytes", l.Stored)
	}
	twin := newLayer(t, e, "", size, func(b *cow.LayerBuilder) { // another way to the same content
		must(b.WriteAt([]byte(strings.Repeat("junk", 128)), 4<<20))
		fill(b)
		must(b.WriteAt(make([]byte, 512), 4<<20))
	})
	if twin.Digest != l.Digest || twin.ID == l.ID {
		t.Errorf("twin has digest %s, want %s", twin.Digest, l.Digest)
	}
	child := newLayer(t, e, l.ID, size, nil)
	if child.Digest != l.Digest {
		t.Error("an empty child reads differently")
	}
	d, err := e.OpenLayer(child.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(make([]byte, 512), 0); !errors.Is(err, block.ErrReadOnly) {
		t.Errorf("write to a layer: %v", err)
	}
	if err := e.RemoveLayer(l.ID); !errors.Is(err, cow.ErrDependents) {
		t.Errorf("remove a parent: %v", err)
	}
	if err := e.RemoveLayer(child.ID); !errors.Is(err, cow.ErrInUse) {
		t.Errorf("remove an open layer: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.VerifyLayer(t.Context(), l.ID, nil); err != nil {
		t.Fatal(err)
	}
	f := must(os.OpenFile(filepath.Join(dir, "layers", l.ID, "data"), os.O_RDWR, 0))
	must(f.WriteAt([]byte{0xFF}, 600<<10))
	f.Close()
	if err := e.VerifyLayer(t.Context(), child.ID, nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("changed layer verifies: %v", err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, cow.Options{})
	b := must(e.NewLayer(1 << 20))
	must(b.WriteAt([]byte(strings.Repeat("x", 4096)), 0))
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seal(t.Context()); !errors.Is(err, block.ErrClosed) {
		t.Errorf("Seal after Abort: %v", err)
	}
	waitFreed(t, e)
	for _, sub := range []string{"tmp", "trash", "layers"} {
		waitEmpty(t, filepath.Join(dir, sub))
	}
}

func waitEmpty(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := must(os.ReadDir(dir))
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in %s: %v", dir, left)
		}
	}
}

func waitFreed(t *testing.T, e *cow.Engine) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); e.Freeing() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %d bytes to free", e.Freeing())
		}
	}
}

func TestRemovedVolumeIsFreed(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 40})
	for i := range int64(16) {
		must(v.WriteAt([]byte(strings.Repeat("x", 1<<20)), i<<36))
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if s := must(e.Volume("v")).Stored; s < 16<<20 || s > 20<<20 {
		t.Errorf("16 MiB of data occupy %d bytes", s)
	}
	if err := e.RemoveVolume("v"); err != nil {
		t.Fatal(err)
	}
	waitFreed(t, e)
}

func TestUnmapGivesSpaceBack(t *testing.T) {
	for _, volatile := range []bool{false, true} {
		e := open(t, t.TempDir(), cow.Options{})
		v := newVolume(t, e, cow.VolumeSpec{Size: 64 << 20, Volatile: volatile})
		must(v.WriteAt([]byte(strings.Repeat("x", 16<<20)), 0))
		if err := v.Unmap(1<<20, 14<<20); err != nil {
			t.Fatal(err)
		}
		if err := v.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := v.Close(); err != nil { // waits for the punching
			t.Fatal(err)
		}
		if s := must(e.Volume("v")).Stored; s > 4<<20 {
			t.Errorf("volatile=%v: 2 MiB of data occupy %d bytes after an unmap", volatile, s)
		}
	}
}

func TestCloneIsSmall(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	base := newLayer(t, e, "", 64<<30, nil)
	start := time.Now()
	for i := range 100 {
		info := must(e.CreateVolume(cow.VolumeSpec{ID: fmt.Sprint("v", i), Base: base.ID}))
		if info.Stored >= 64<<10 {
			t.Fatalf("a clone occupies %d bytes", info.Stored)
		}
	}
	t.Logf("a clone of 64 GiB took %v", time.Since(start)/100)
}

func TestLimit(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{})
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20, Limit: 4 * 4096})
	other := newVolume(t, e, cow.VolumeSpec{ID: "other", Size: 1 << 20})
	p := []byte(strings.Repeat("x", 4096))
	for i := range int64(4) {
		must(v.WriteAt(p, i*8192))
	}
	for range 3 {
		if n, err := v.WriteAt(p, 1<<19); n != 0 || !errors.Is(err, block.ErrNoSpace) {
			t.Fatalf("beyond the limit: %d, %v", n, err)
		}
	}
	must(v.WriteAt(p[:512], 512))                  // blocks that are there
	must(v.ReadAt(make([]byte, 4096), 1<<19))      // and reads
	must(other.WriteAt(make([]byte, 1<<19), 4096)) // and others
	if err := errors.Join(v.Flush(), v.Unmap(0, 4096)); err != nil {
		t.Fatal(err)
	}
	must(v.WriteAt(p, 4096)) // what was given back may be taken again
	if _, err := v.WriteAt(p, 1<<19); !errors.Is(err, block.ErrNoSpace) {
		t.Fatalf("beyond the limit: %v", err)
	}
	if err := e.SetLimit("v", 5*4096); err != nil {
		t.Fatal(err)
	}
	must(v.WriteAt(p, 1<<19))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v = openVolume(t, e, "v") // limit and use are remembered
	if _, err := v.WriteAt(p, 1<<19+4096); !errors.Is(err, block.ErrNoSpace) {
		t.Fatalf("beyond the limit after reopening: %v", err)
	}
}

// TestFullDisk fills the host's disk under a volume: present blocks can be
// written, unmapped and flushed, and room cures the rest.
func TestFullDisk(t *testing.T) {
	for _, minFree := range []int64{0, 1 << 20} {
		fs := crashfs.New(1, "/")
		e := must(cow.Open("/d", cow.Options{FS: fs, MinFree: minFree, JournalSize: 8 << 10}))
		v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 30})
		p := []byte(strings.Repeat("x", 4096))
		must(v.WriteAt(p, 0))
		capacity := fs.Allocated() + 2<<20 // what others take is not asked for more often
		fs.SetCapacity(capacity)
		time.Sleep(1100 * time.Millisecond)
		var err error
		n := int64(1)
		for ; err == nil; n++ {
			_, err = v.WriteAt(p, n*(1<<20))
		}
		if !errors.Is(err, block.ErrNoSpace) {
			t.Fatalf("full disk: %v", err)
		}
		if left := capacity - fs.Allocated(); left < minFree-64<<10 { // map pages may use the reserve
			t.Errorf("%d bytes left of %d kept free", left, minFree)
		}
		for i := range n - 1 {
			must(v.WriteAt(p, i*(1<<20)))
			if i%10 == 0 {
				if err := v.Flush(); err != nil {
					t.Fatalf("flush on a full disk: %v", err)
				}
			}
		}
		if err := v.Unmap(0, 1<<20); err != nil {
			t.Fatalf("unmap on a full disk: %v", err)
		}
		fs.SetCapacity(capacity + 4<<20)
		time.Sleep(1100 * time.Millisecond)
		must(v.WriteAt(p, n*(1<<20)))
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBootChange(t *testing.T) {
	fs := crashfs.New(1, "/")
	e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}}))
	if e.BootChanged() {
		t.Error("a new folder claims that the machine was down")
	}
	for _, id := range []string{"keep", "gone"} {
		v := newVolume(t, e, cow.VolumeSpec{ID: id, Size: 1 << 20, Volatile: id == "gone"})
		must(v.WriteAt([]byte(strings.Repeat("x", 4096)), 0))
	}
	must(e.NewLayer(4096)) // and never sealed
	fs.Kill()
	_ = e.Close()

	e = must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}}))
	if e.BootChanged() || len(e.Volumes()) != 2 || len(must(fs.List("/d/tmp"))) != 0 {
		t.Errorf("same boot: changed %v, %d volumes", e.BootChanged(), len(e.Volumes()))
	}
	fs.PowerCut()
	_ = e.Close()

	e = must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{2}}))
	defer func() { e.Close() }()
	if vs := e.Volumes(); !e.BootChanged() || len(vs) != 1 || vs[0].ID != "keep" {
		t.Errorf("next boot: changed %v, %+v", e.BootChanged(), vs)
	}
	for _, changed := range []bool{true, false} { // until it is settled
		fs.Kill()
		_ = e.Close()
		e = must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{2}}))
		if e.BootChanged() != changed {
			t.Errorf("opened again: changed %v, want %v", e.BootChanged(), changed)
		}
		if err := e.SettleBoot(); err != nil {
			t.Fatal(err)
		}
	}
}

// overlayOf is the folder of a volume's overlay.
func overlayOf(t *testing.T, fs *crashfs.FS, volume string) string {
	t.Helper()
	for _, n := range must(fs.List("/d/volumes/" + volume)) {
		if n != "meta" {
			return "/d/volumes/" + volume + "/" + n
		}
	}
	t.Fatal("no overlay")
	return ""
}

// TestDamage flips bits in each file: the volume says so, the others live on.
func TestDamage(t *testing.T) {
	for file, off := range map[string]int64{"map": 4096 + 100, "meta": 40, "data": 1<<20 + 20} {
		fs := crashfs.New(1, "/")
		e := must(cow.Open("/d", cow.Options{FS: fs}))
		for _, id := range []string{"a", "b"} {
			must(newVolume(t, e, cow.VolumeSpec{ID: id, Size: 1 << 20}).WriteAt(make([]byte, 512), 0))
		}
		folder := "/d/volumes/a"
		if file != "meta" {
			folder = overlayOf(t, fs, "a")
		}
		if err := errors.Join(e.Close(), fs.Corrupt(folder+"/"+file, off)); err != nil {
			t.Fatal(err)
		}
		if file == "map" { // both directories
			if err := fs.Corrupt(folder+"/map", 100); err != nil {
				t.Fatal(err)
			}
		}
		e = must(cow.Open("/d", cow.Options{FS: fs}))
		defer e.Close()
		if _, err := e.OpenVolume("a"); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := e.CreateVolume(cow.VolumeSpec{ID: "a", Size: 512}); !errors.Is(err, cow.ErrExist) {
			t.Errorf("%s: the damaged volume was replaced: %v", file, err)
		}
		openVolume(t, e, "b")
		if err := e.RemoveVolume("a"); err != nil {
			t.Errorf("%s: remove a damaged volume: %v", file, err)
		}
	}
}

// TestConcurrentFlushes cuts the power under many writers. A Flush must cover
// every write that was acknowledged before it, whoever's sync it joins.
func TestConcurrentFlushes(t *testing.T) {
	for seed := range uint64(25) {
		fs := crashfs.New(seed, "/")
		o := cow.Options{FS: fs, JournalSize: 8 << 10, BootID: [16]byte{1}}
		e := must(cow.Open("/d", o))
		const workers, slots = 6, 256
		var floor, top [workers][slots]uint32 // durable; perhaps there
		base := newLayer(t, e, "", 600<<20, func(b *cow.LayerBuilder) {
			p := make([]byte, 4096)
			fillStamp(p, 1) // a block that is exposed without its data reads 0
			for w := range workers {
				for s := range slots {
					floor[w][s], top[w][s] = 1, 1
					must(b.WriteAt(p, place(w, s)&^4095))
				}
			}
		})
		v := newVolume(t, e, cow.VolumeSpec{Base: base.ID})
		var ops atomic.Int64
		fs.SetSyncTime(100 * time.Microsecond)
		fs.SetFault(func(op, _ string) error {
			if ops.Add(1) > int64(300+seed*37) && op != "stat" {
				return os.ErrProcessDone
			}
			return nil
		})
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				p := make([]byte, 512)
				for i := 0; ; i++ {
					s := i * 7 % slots
					top[w][s]++
					fillStamp(p, top[w][s])
					if _, err := v.WriteAt(p, place(w, s)); err != nil {
						return
					}
					if i%5 == w%5 {
						if v.Flush() != nil {
							return
						}
						floor[w] = top[w]
					}
				}
			})
		}
		wg.Wait()
		fs.PowerCut()
		_ = e.Close()
		fs.SetFault(nil)
		o.BootID[0]++
		e = must(cow.Open("/d", o))
		v = openVolume(t, e, "v")
		p := make([]byte, 512)
		for w := range workers {
			for s := range slots {
				must(v.ReadAt(p, place(w, s)))
				got := uint32(p[0]) | uint32(p[1])<<8
				if got < floor[w][s] || got > top[w][s] {
					t.Fatalf("seed %d: slot %d of worker %d holds %d, flushed was %d", seed, s, w, got, floor[w][s])
				}
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// place lets two workers share each block, in several map pages.
func place(w, s int) int64 { return int64(s)*(4<<20)/2&^4095 + int64(w/2)*4096 + int64(w%2)*512 }
