package cow_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/vfs"
)

// patchwork is a disk whose blocks come from everywhere, and its model.
type patchwork struct {
	v    *cow.Volume
	want []byte
	// own lists the blocks that were written to each layer and to the overlay.
	own map[string]map[int64]bool
}

const (
	patchDisk   = 3<<20 + 512
	patchBlocks = (patchDisk + 4095) / 4096
)

func sew(t *testing.T, e *cow.Engine, rng *rand.Rand) *patchwork {
	t.Helper()
	must(e.CreateVolume(cow.VolumeSpec{ID: "v", Size: patchDisk}))
	w := &patchwork{v: openVolume(t, e, "v"), want: make([]byte, patchDisk), own: map[string]map[int64]bool{}}
	for i := range 4 {
		own := map[int64]bool{}
		for n := range 100 + rng.IntN(200) {
			if i == 0 && n > 0 {
				break // the lowest one has nearly all
			}
			first := rng.Int64N(patchBlocks)
			end := min(first+1+rng.Int64N(3), patchBlocks)
			if i == 0 {
				first, end = 0, patchBlocks-10
			}
			off, stop := first*4096, min(end*4096, patchDisk)
			if rng.IntN(4) == 0 && i > 0 {
				if err := w.v.Unmap(off, stop-off); err != nil {
					t.Fatal(err)
				}
				clear(w.want[off:stop])
				for b := first; b < end; b++ {
					delete(own, b)
				}
				continue
			}
			for at := off; at < stop; at++ {
				w.want[at] = byte(rng.Uint32()) | 1
			}
			must(w.v.WriteAt(w.want[off:stop], off))
			for b := first; b < end; b++ {
				own[b] = true
			}
		}
		id := "overlay"
		if i < 3 {
			id = must(e.Snapshot("v", fmt.Sprint("s", i))).Layer
		}
		w.own[id] = own
	}
	return w
}

// spoil fills with rubbish what no map says is there.
func (w *patchwork) spoil(t *testing.T, dir string) {
	t.Helper()
	rubbish := bytes.Repeat([]byte{0xee}, 4096)
	spoiled := 0
	names := append(must(filepath.Glob(dir+"/layers/*/data")), must(filepath.Glob(dir+"/volumes/v/*/data"))...)
	for _, name := range names {
		own := w.own[filepath.Base(filepath.Dir(name))]
		if own == nil {
			own = w.own["overlay"]
		}
		f := must(os.OpenFile(name, os.O_RDWR, 0))
		for b := range int64(patchBlocks) {
			if !own[b] {
				must(f.WriteAt(rubbish, b*4096))
				spoiled++
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 4 || spoiled == 0 {
		t.Fatalf("spoiled %d blocks of %v", spoiled, names)
	}
}

func (w *patchwork) check(t *testing.T, rng *rand.Rand, rounds int) {
	t.Helper()
	for range rounds {
		off := rng.Int64N(patchDisk/512) * 512
		n := min(512*(1+rng.Int64N(2500)), patchDisk-off)
		p := bytes.Repeat([]byte{0xdd}, int(n))
		must(w.v.ReadAt(p, off))
		if !bytes.Equal(p, w.want[off:off+n]) {
			at := 0
			for p[at] == w.want[off+int64(at)] {
				at++
			}
			t.Fatalf("read of %d bytes at %d: byte %d of block %d is %#x, want %#x", n, off,
				(off+int64(at))%4096, (off+int64(at))/4096, p[at], w.want[off+int64(at)])
		}
	}
}

// TestPatchworkReadsWhatTheMapsSay: nothing that a file holds elsewhere comes
// through, though neighbours are read in one go.
func TestPatchworkReadsWhatTheMapsSay(t *testing.T) {
	for seed := range uint64(4) {
		dir := filepath.Join(t.TempDir(), "data")
		rng := rand.New(rand.NewPCG(seed, 3))
		w := sew(t, open(t, dir, cow.Options{}), rng)
		w.check(t, rng, 50)
		w.spoil(t, dir)
		w.check(t, rng, 200)
		p := make([]byte, 1<<20)
		if n := testing.AllocsPerRun(10, func() { must(w.v.ReadAt(p, 0)) }); n != 0 && !raceDetector { // which empties pools
			t.Errorf("a read allocates %v times", n)
		}
	}
}

// badFS cannot read the second block of any layer's data file, once told so.
type badFS struct {
	vfs.FS
	bad atomic.Bool
}

type badFile struct {
	vfs.File
	fs *badFS
}

func (f *badFS) OpenFile(name string, flag int) (vfs.File, error) {
	g, err := f.FS.OpenFile(name, flag)
	if err != nil || !strings.Contains(name, "/layers/") || !strings.HasSuffix(name, "/data") {
		return g, err
	}
	return badFile{g, f}, nil
}

var errBadBlock = errors.New("bad block")

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if f.fs.bad.Load() && off < 8192 && off+int64(len(p)) > 4096 {
		return 0, errBadBlock
	}
	return f.File.ReadAt(p, off)
}

func (f badFile) ReadVec(bufs [][]byte, off int64) error { return vfs.ReadEach(f, bufs, off) }

// TestBadBlockThatIsNotNeeded: a block that has been written anew above may be
// unreadable below.
func TestBadBlockThatIsNotNeeded(t *testing.T) {
	fs := &badFS{FS: vfs.OS()}
	e := open(t, t.TempDir(), cow.Options{FS: fs})
	base := newLayer(t, e, "", 64<<10, func(b *cow.LayerBuilder) {
		must(b.WriteAt(bytes.Repeat([]byte{1}, 64<<10), 0))
	})
	must(e.CreateVolume(cow.VolumeSpec{ID: "v", Base: base.ID}))
	v := openVolume(t, e, "v")
	must(v.WriteAt(bytes.Repeat([]byte{2}, 4096), 4096))
	must(v.WriteAt(bytes.Repeat([]byte{3}, 4096), 12<<10))
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	fs.bad.Store(true)
	p := make([]byte, 64<<10)
	must(v.ReadAt(p, 0))
	for b, want := range []byte{1, 2, 1, 3, 1} {
		if p[b*4096] != want || p[b*4096+4095] != want {
			t.Errorf("block %d reads %d, want %d", b, p[b*4096], want)
		}
	}
	must(e.CreateVolume(cow.VolumeSpec{ID: "w", Base: base.ID}))
	if _, err := openVolume(t, e, "w").ReadAt(p, 0); !errors.Is(err, errBadBlock) {
		t.Errorf("reading a bad block: %v", err)
	}
}
