package cow_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

// watchFS tells of each sync, and of each change of a file.
type watchFS struct {
	vfs.FS
	mu             sync.Mutex
	syncs, changes []string // last parts of names
}

type watchFile struct {
	vfs.File
	fs   *watchFS
	name string
}

func (w *watchFS) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := w.FS.OpenFile(name, flag)
	return watchFile{f, w, name[strings.LastIndexByte(name, '/')+1:]}, err
}

func (w *watchFS) note(list *[]string, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, name)
}

func (w *watchFS) take() (syncs, changes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	syncs, changes = w.syncs, w.changes
	w.syncs, w.changes = nil, nil
	return syncs, changes
}

func (f watchFile) Sync() error {
	f.fs.note(&f.fs.syncs, f.name)
	return f.File.Sync()
}

func (f watchFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.note(&f.fs.changes, f.name)
	return f.File.WriteAt(p, off)
}

// boot opens the folder as if the machine had just come up for the nth time.
func boot(t *testing.T, fs vfs.FS, n byte) (*cow.Engine, *cow.Volume) {
	t.Helper()
	e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{n}, JournalSize: 64 << 10}))
	if len(e.Volumes()) == 0 {
		must(e.CreateVolume(cow.VolumeSpec{ID: "v", Size: 1 << 20}))
	}
	return e, must(e.OpenVolume("v"))
}

func stamped(stamp byte, n int) []byte { return bytes.Repeat([]byte{stamp}, n) }

func wantByte(t *testing.T, v *cow.Volume, off int64, want byte) {
	t.Helper()
	p := make([]byte, 512)
	must(v.ReadAt(p, off))
	if !bytes.Equal(p, stamped(want, 512)) {
		t.Errorf("sector at %d reads %#x, want %#x", off, p[0], want)
	}
}

func flushed(t *testing.T, v *cow.Volume) {
	t.Helper()
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestSmallFlushSyncsOnce: and which file, for each kind of flush.
func TestSmallFlushSyncsOnce(t *testing.T) {
	w := &watchFS{FS: crashfs.New(1, "/")}
	e, v := boot(t, w, 1)
	defer e.Close()
	must(v.WriteAt(stamped(1, 4096), 0))
	flushed(t, v)
	for _, c := range []struct {
		name string
		do   func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"first touch", func() { must(v.WriteAt(stamped(2, 4096), 4096)) }, []string{"journal"}},
		{"overwrite of what is carried", func() { must(v.WriteAt(stamped(3, 512), 4096)) }, []string{"journal"}},
		{"unmap", func() { must(0, v.Unmap(0, 4096)) }, []string{"journal"}},
		{"a part of a block", func() { must(v.WriteAt(stamped(4, 512), 16<<10)) }, []string{"journal"}},
		{"too much to carry", func() { must(v.WriteAt(stamped(5, 64<<10), 64<<10)) }, []string{"data", "journal"}},
		{"overwrite, nothing being carried", func() { must(v.WriteAt(stamped(6, 4096), 4096)) }, []string{"data"}},
		{"first touch and overwrite", func() {
			must(v.WriteAt(stamped(7, 4096), 4096))
			must(v.WriteAt(stamped(7, 4096), 32<<10))
		}, []string{"journal"}},
		{"much in place, which ends what was carried", func() { must(v.WriteAt(stamped(8, 64<<10), 64<<10)) }, []string{"data", "journal"}},
	} {
		w.take()
		c.do()
		flushed(t, v)
		if got, _ := w.take(); !slices.Equal(got, c.want) {
			t.Errorf("%s: synced %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSyncsOfAnOpening counts those of a volume that is opened anew.
func TestSyncsOfAnOpening(t *testing.T) {
	w := &watchFS{FS: crashfs.New(1, "/")}
	e, v := boot(t, w, 1)
	must(v.WriteAt(stamped(1, 4096), 0))
	ok(t, v.Close())
	v = must(e.OpenVolume("v"))
	defer e.Close()
	for _, c := range []struct {
		name string
		do   func()
		want []string
	}{
		{"first flush, whatever the process before has written", func() { flushed(t, v) }, []string{"map", "data", "map", "map"}},
		{"second flush", func() { flushed(t, v) }, nil},
		{"overwrite", func() { must(v.WriteAt(stamped(2, 512), 0)); flushed(t, v) }, []string{"data"}},
		{"first set", func() { must(v.WriteAt(stamped(3, 512), 4096)); flushed(t, v) }, []string{"journal"}},
		{"no room left", func() { // 32 KiB of 64, each flush more than four
			for b := range int64(7) {
				must(v.WriteAt(stamped(4, 4096), 8192+4096*b))
				flushed(t, v)
			}
			w.take()
			must(v.WriteAt(stamped(4, 4096), 65536))
			flushed(t, v)
		}, []string{"data", "map", "map"}},
		{"closing, nothing being in the journal", func() { ok(t, v.Close()) }, nil},
	} {
		w.take()
		c.do()
		if got, _ := w.take(); !slices.Equal(got, c.want) {
			t.Errorf("%s: synced %v, want %v", c.name, got, c.want)
		}
	}
}

// lose has the disk lose all that was not synced: the file system of its own
// accord keeps some.
func lose(fs *crashfs.FS, e *cow.Engine) {
	fs.PowerCut()
	_ = e.Close()
}

// TestCarriedDataIsRedone after a power cut: read from memory at first, in its
// place from the first change on, and not once more over what is newer.
func TestCarriedDataIsRedone(t *testing.T) {
	for seed := range uint64(30) {
		fs := crashfs.New(seed, "/")
		e, v := boot(t, fs, 1)
		must(v.WriteAt(stamped(1, 8192), 0))
		flushed(t, v)
		must(v.WriteAt(stamped(2, 1024), 512)) // a part of a block that is there
		must(v.WriteAt(stamped(3, 4096), 1<<20-4096))
		must(v.WriteAt(stamped(9, 4096), 40960))
		must(0, v.Unmap(40960, 4096))
		flushed(t, v)
		must(v.WriteAt(stamped(4, 512), 512)) // never flushed
		lose(fs, e)

		w := &watchFS{FS: fs}
		e, v = boot(t, w, 2)
		w.take()
		for off, want := range map[int64]byte{0: 1, 1024: 2, 1536: 1, 1<<20 - 512: 3, 40960: 0} {
			wantByte(t, v, off, want)
		}
		if _, changes := w.take(); len(changes) > 0 {
			t.Errorf("reading changed %v", changes)
		}
		must(v.WriteAt(stamped(5, 512), 1024)) // in place, and killed before a flush
		fs.Kill()
		_ = e.Close()

		e, v = boot(t, fs, 2)
		wantByte(t, v, 1024, 5)
		flushed(t, v)
		lose(fs, e)

		e, v = boot(t, fs, 3)
		for off, want := range map[int64]byte{0: 1, 1024: 5, 1536: 1, 1<<20 - 512: 3, 40960: 0} {
			wantByte(t, v, off, want)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestKilledProcessIsNotRedone: what the page cache has is newer.
func TestKilledProcessIsNotRedone(t *testing.T) {
	fs := crashfs.New(1, "/")
	e, v := boot(t, fs, 1)
	must(v.WriteAt(stamped(1, 4096), 0))
	flushed(t, v)
	must(v.WriteAt(stamped(2, 4096), 0))
	fs.Kill()
	_ = e.Close()
	e, v = boot(t, fs, 1)
	wantByte(t, v, 0, 2)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOverwriteBeforeAKillIsSynced: an overwrite in place leaves no record,
// and the next process must sync it all the same.
func TestOverwriteBeforeAKillIsSynced(t *testing.T) {
	for seed := range uint64(20) {
		fs := crashfs.New(seed, "/")
		e, v := boot(t, fs, 1)
		must(v.WriteAt(stamped(1, 64<<10), 0))
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e, v = boot(t, fs, 2)
		must(v.WriteAt(stamped(2, 64<<10), 0))
		fs.Kill()
		_ = e.Close()
		e, v = boot(t, fs, 2)
		flushed(t, v)
		lose(fs, e)
		e, v = boot(t, fs, 3)
		wantByte(t, v, 32<<10, 2)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCarriedDataSurvivesAFailedSync: the sync of the data file fails, and
// nobody knows what it holds; the journal does.
func TestCarriedDataSurvivesAFailedSync(t *testing.T) {
	fs := crashfs.New(1, "/")
	e, v := boot(t, fs, 1)
	must(v.WriteAt(stamped(1, 4096), 0))
	flushed(t, v)
	must(v.WriteAt(stamped(2, 64<<10), 64<<10))
	fs.SetFault(func(op, name string) error {
		if op == "sync" && strings.HasSuffix(name, "/data") {
			return syscall.EIO
		}
		return nil
	})
	if err := v.Flush(); !errors.Is(err, block.ErrFailed) {
		t.Fatalf("Flush: %v", err)
	}
	fs.SetFault(nil)
	_ = v.Close()
	v = must(e.OpenVolume("v"))
	wantByte(t, v, 0, 1)
	must(v.WriteAt(stamped(3, 512), 0))
	flushed(t, v)
	lose(fs, e)
	e, v = boot(t, fs, 2)
	wantByte(t, v, 0, 3)
	wantByte(t, v, 512, 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRedoOnAFullDisk: reading works, a change reports that there is no room,
// and nothing is lost.
func TestRedoOnAFullDisk(t *testing.T) {
	fs := crashfs.New(3, "/")
	e, v := boot(t, fs, 1)
	must(v.WriteAt(stamped(1, 4096), 0))
	flushed(t, v)
	must(v.WriteAt(stamped(2, 16<<10), 256<<10))
	flushed(t, v)
	for seed := uint64(4); ; seed++ { // until the cut keeps the data from its place
		lose(fs, e)
		if e, v = boot(t, fs, 2); fs.IsHole(overlayData(t, fs), 256<<10) {
			break
		}
		_ = e.Close()
		fs = crashfs.New(seed, "/")
		e, v = boot(t, fs, 1)
		must(v.WriteAt(stamped(1, 4096), 0))
		flushed(t, v)
		must(v.WriteAt(stamped(2, 16<<10), 256<<10))
		flushed(t, v)
	}
	fs.SetCapacity(fs.Allocated())
	wantByte(t, v, 256<<10, 2)
	if _, err := v.WriteAt(stamped(3, 4096), 0); !errors.Is(err, block.ErrNoSpace) {
		t.Fatalf("write on a full disk: %v", err)
	}
	wantByte(t, v, 256<<10, 2)
	fs.SetCapacity(0)
	must(v.WriteAt(stamped(3, 4096), 0))
	wantByte(t, v, 256<<10, 2)
	wantByte(t, v, 0, 3)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func overlayData(t *testing.T, fs vfs.FS) string {
	t.Helper()
	for _, n := range must(fs.List("/d/volumes/v")) {
		if len(n) == 36 {
			return "/d/volumes/v/" + n + "/data"
		}
	}
	t.Fatal("no overlay")
	return ""
}

// TestSmallFlushesBesideWriters: whatever a flush takes up while others write,
// no block is there after a power cut without what was written to it.
func TestSmallFlushesBesideWriters(t *testing.T) {
	const disk, writers = 4 << 20, 3
	for seed := range uint64(40) {
		fs := crashfs.New(seed, "/")
		e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}, JournalSize: 64 << 10}))
		base := newLayer(t, e, "", disk, func(b *cow.LayerBuilder) { must(b.WriteAt(stamped(0xBB, disk), 0)) })
		must(e.CreateVolume(cow.VolumeSpec{ID: "v", Base: base.ID}))
		v := must(e.OpenVolume("v"))
		turns := make(chan struct{}, 4)    // to write: little for each flush
		var acked [disk / 4096]atomic.Bool // written before the flush that is noted
		var durable []int
		var off atomic.Bool
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for _, b := range rand.New(rand.NewPCG(seed, uint64(w))).Perm(disk / 4096 / writers) {
					b = b*writers + w
					if _, more := <-turns; !more {
						return
					}
					if _, err := v.WriteAt(stamped(byte(b%100+1), 4096), int64(b)*4096); err != nil {
						return
					}
					acked[b].Store(true)
				}
			})
		}
		wg.Go(func() {
			defer close(turns)
			for {
				for range cap(turns) - len(turns) {
					turns <- struct{}{}
				}
				var before []int
				for b := range acked {
					if acked[b].Load() {
						before = append(before, b)
					}
				}
				if v.Flush() != nil || off.Load() {
					return // what the dead acknowledge nobody has heard
				}
				durable = before
			}
		})
		time.Sleep(time.Duration(seed%8) * 500 * time.Microsecond)
		off.Store(true)
		fs.PowerCut()
		wg.Wait()
		_ = e.Close()

		e = must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{2}}))
		v = must(e.OpenVolume("v"))
		p := make([]byte, disk)
		must(v.ReadAt(p, 0))
		for s := 0; s < disk; s += 512 {
			b := s / 4096
			isNew, isOld := bytes.Equal(p[s:s+512], stamped(byte(b%100+1), 512)), bytes.Equal(p[s:s+512], stamped(0xBB, 512))
			if !isNew && (!isOld || slices.Contains(durable, b)) {
				t.Fatalf("seed %d: block %d reads %#x; flushed: %v", seed, b, p[s], slices.Contains(durable, b))
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
