package cow_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
)

// ruin is a folder with two machines' volumes, each on an image with a
// snapshot, so that what is done to the files of one can be seen on the other.
type ruin struct {
	t   *testing.T
	dir string
	// of volume "a" and of volume "b"
	image, snap, overlay [2]string
}

func newRuin(t *testing.T) *ruin {
	r := &ruin{t: t, dir: t.TempDir()}
	e := must(cow.Open(r.dir, cow.Options{Manual: true}))
	for i, id := range []string{"a", "b"} {
		image := newLayer(t, e, "", 1<<20, func(b *cow.LayerBuilder) {
			p := make([]byte, 1<<20)
			fillStamp(p, uint32(i+1))
			must(b.WriteAt(p, 0))
		})
		v := newVolume(t, e, cow.VolumeSpec{ID: id, Base: image.ID})
		put(t, v, 0, 4096, uint32(i+11))
		r.image[i], r.snap[i] = image.ID, must(e.Snapshot(id, "s")).Layer
		put(t, v, 4096, 4096, uint32(i+21))
	}
	ok(t, e.Close())
	for i, id := range []string{"a", "b"} {
		for _, d := range must(os.ReadDir(filepath.Join(r.dir, "volumes", id))) {
			if d.IsDir() {
				r.overlay[i] = filepath.Join("volumes", id, d.Name())
			}
		}
	}
	return r
}

func (r *ruin) layer(id, file string) string { return filepath.Join(r.dir, "layers", id, file) }
func (r *ruin) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

// swap exchanges two files.
func (r *ruin) swap(a, b string) {
	ok(r.t, os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b))
}

func flip(t *testing.T, name string, off int64) {
	f := must(os.OpenFile(name, os.O_RDWR, 0))
	defer f.Close()
	p := make([]byte, 1)
	must(f.ReadAt(p, off))
	p[0] ^= 0x40
	must(f.WriteAt(p, off))
}

// namedTwice returns what an error names more than once, each time by itself.
func namedTwice(err error) string {
	seen := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z]+ "[^"]*"`).FindAllString(fmt.Sprint(err), -1) {
		if seen[name] {
			return name
		}
		seen[name] = true
	}
	return ""
}

func TestDamageIsNamedAndContained(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(r *ruin)
		says func(r *ruin) string
		both bool // the other volume suffers too
	}{
		{"layer gone", func(r *ruin) { ok(t, os.RemoveAll(r.layer(r.image[0], ""))) }, func(r *ruin) string { return r.image[0] }, false},
		{"snapshot's layer gone", func(r *ruin) { ok(t, os.RemoveAll(r.layer(r.snap[0], ""))) }, func(r *ruin) string { return r.snap[0] }, false},
		{"layer's data gone", func(r *ruin) { ok(t, os.Remove(r.layer(r.image[0], "data"))) }, func(r *ruin) string { return r.image[0] }, false},
		{"layer's map gone", func(r *ruin) { ok(t, os.Remove(r.layer(r.image[0], "map"))) }, func(r *ruin) string { return r.image[0] }, false},
		{"layer's meta gone", func(r *ruin) { ok(t, os.Remove(r.layer(r.image[0], "meta"))) }, func(r *ruin) string { return r.image[0] }, false},
		{"layer's meta changed", func(r *ruin) { flip(t, r.layer(r.image[0], "meta"), 60) }, func(r *ruin) string { return r.image[0] }, false},
		{"layer's data short", func(r *ruin) { ok(t, os.Truncate(r.layer(r.image[0], "data"), 4096)) }, func(r *ruin) string { return "4096 bytes" }, false},
		{"layer's data long", func(r *ruin) { ok(t, os.Truncate(r.layer(r.image[0], "data"), 2<<20)) }, func(r *ruin) string { return "2097152 bytes" }, false},
		{"layer's map short", func(r *ruin) { ok(t, os.Truncate(r.layer(r.snap[0], "map"), 100)) }, func(r *ruin) string { return r.snap[0] }, false},
		{"layer's map changed", func(r *ruin) { flip(t, r.layer(r.image[0], "map"), 30) }, func(r *ruin) string { return r.image[0] }, false},
		{"map is a folder", func(r *ruin) {
			ok(t, os.Remove(r.layer(r.image[0], "map")), os.Mkdir(r.layer(r.image[0], "map"), 0o700))
		}, func(r *ruin) string { return r.image[0] }, false},
		{"data swapped", func(r *ruin) { r.swap(r.layer(r.image[0], "data"), r.layer(r.image[1], "data")) }, func(r *ruin) string { return "it belongs to " + r.image[1] }, true},
		{"maps swapped", func(r *ruin) { r.swap(r.layer(r.image[0], "map"), r.layer(r.image[1], "map")) }, func(r *ruin) string { return "it belongs to " + r.image[1] }, true},
		{"layers swapped", func(r *ruin) { r.swap(r.layer(r.image[0], ""), r.layer(r.image[1], "")) }, func(r *ruin) string { return r.image[0] }, true},
		{"overlay gone", func(r *ruin) { ok(t, os.RemoveAll(r.path(r.overlay[0]))) }, func(r *ruin) string { return filepath.Base(r.overlay[0]) }, false},
		{"overlay's data gone", func(r *ruin) { ok(t, os.Remove(r.path(r.overlay[0], "data"))) }, func(r *ruin) string { return filepath.Base(r.overlay[0]) }, false},
		{"journal gone", func(r *ruin) { ok(t, os.Remove(r.path(r.overlay[0], "journal"))) }, func(r *ruin) string { return "journal" }, false},
		{"journals swapped", func(r *ruin) { r.swap(r.path(r.overlay[0], "journal"), r.path(r.overlay[1], "journal")) }, func(r *ruin) string { return "journal: it belongs to " + filepath.Base(r.overlay[1]) }, true},
		{"overlays' data swapped", func(r *ruin) { r.swap(r.path(r.overlay[0], "data"), r.path(r.overlay[1], "data")) }, func(r *ruin) string { return "it belongs to " + filepath.Base(r.overlay[1]) }, true},
		{"volumes swapped", func(r *ruin) { r.swap(r.path("volumes/a"), r.path("volumes/b")) }, func(r *ruin) string { return `volume "a"` }, true},
		{"volume's meta changed", func(r *ruin) { flip(t, r.path("volumes/a/meta"), 50) }, func(r *ruin) string { return `volume "a"` }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRuin(t)
			r.t = t
			c.harm(r)
			e := open(t, r.dir, cow.Options{Manual: true})
			_, err := e.OpenVolume("a")
			if !errors.Is(err, block.ErrCorrupt) && !strings.Contains(c.name, "folder") || err == nil || !strings.Contains(err.Error(), c.says(r)) {
				t.Errorf("open: %v; want it to name %q", err, c.says(r))
			}
			for _, err := range []error{err, third(e.Snapshot("a", "new")), third(e.OpenLayer(r.snap[0]))} {
				if twice := namedTwice(err); twice != "" {
					t.Errorf("it names %s twice: %v", twice, err)
				}
			}
			if _, err := e.OpenVolume("b"); (err != nil) != c.both {
				t.Errorf("the other volume: %v", err)
			}
			for _, id := range r.image { // what cannot be told from garbage stays
				if _, err := os.Stat(r.layer(id, "")); err != nil && c.name != "layer gone" {
					t.Errorf("a layer was thrown away: %v", err)
				}
			}
			e.Volumes()
			e.Layers()
			ok(t, e.Settle(t.Context()), e.RemoveVolume("a"))
		})
	}
}

// TestMissingFiles: what is not there is called missing, once and by its name.
func TestMissingFiles(t *testing.T) {
	for _, c := range []struct {
		gone func(r *ruin) string
		want func(r *ruin) string
	}{
		{func(r *ruin) string { return r.layer(r.image[0], "") }, func(r *ruin) string {
			return fmt.Sprintf(`layer %q, the parent of %q, is missing`, r.image[0], r.snap[0])
		}},
		{func(r *ruin) string { return r.layer(r.snap[0], "") }, func(r *ruin) string { return fmt.Sprintf(`layer %q is missing`, r.snap[0]) }},
		{func(r *ruin) string { return r.layer(r.image[0], "data") }, func(r *ruin) string { return fmt.Sprintf(`layer %q: its file "data" is missing`, r.image[0]) }},
		{func(r *ruin) string { return r.layer(r.image[0], "map") }, func(r *ruin) string { return fmt.Sprintf(`layer %q: its file "map" is missing`, r.image[0]) }},
		{func(r *ruin) string { return r.layer(r.image[0], "meta") }, func(r *ruin) string { return fmt.Sprintf(`layer %q: its file "meta" is missing`, r.image[0]) }},
		{func(r *ruin) string { return r.path(r.overlay[0], "data") }, func(r *ruin) string {
			return fmt.Sprintf(`overlay %q: its file "data" is missing`, filepath.Base(r.overlay[0]))
		}},
		{func(r *ruin) string { return r.path(r.overlay[0], "map") }, func(r *ruin) string {
			return fmt.Sprintf(`overlay %q: its file "map" is missing`, filepath.Base(r.overlay[0]))
		}},
		{func(r *ruin) string { return r.path(r.overlay[0], "journal") }, func(r *ruin) string {
			return fmt.Sprintf(`overlay %q: its file "journal" is missing`, filepath.Base(r.overlay[0]))
		}},
		{func(r *ruin) string { return r.path("volumes/a/meta") }, func(*ruin) string { return `its file "meta" is missing` }},
	} {
		r := newRuin(t)
		want := `open volume "a": ` + c.want(r)
		ok(t, os.RemoveAll(c.gone(r)))
		e := open(t, r.dir, cow.Options{Manual: true})
		if _, err := e.OpenVolume("a"); !errors.Is(err, block.ErrCorrupt) || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// TestVerifyNamesAllThatIsWrong changes the data of two layers of a chain.
func TestVerifyNamesAllThatIsWrong(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, cow.Options{Manual: true})
	base := newLayer(t, e, "", 8<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 8<<20)
		fillStamp(p, 1)
		must(b.WriteAt(p, 0))
	})
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID})
	put(t, v, 2<<20, 1<<20, 2)
	put(t, v, 5<<20, 4096, 3)
	top := must(e.Commit("v", ""))
	ok(t, e.Settle(t.Context()))
	flip(t, filepath.Join(dir, "layers", base.ID, "data"), 1<<20+5)
	flip(t, filepath.Join(dir, "layers", base.ID, "data"), 2<<20+5) // hidden
	flip(t, filepath.Join(dir, "layers", top.ID, "data"), 5<<20+5)
	var done, total int64
	err := e.VerifyLayer(t.Context(), top.ID, func(d, n int64) { done, total = d, n })
	var bad *cow.VerifyError
	if !errors.As(err, &bad) || !errors.Is(err, block.ErrCorrupt) || len(bad.Bad) != 2 || done != total || total != 8<<20 {
		t.Fatalf("%v, %d of %d", err, done, total)
	}
	if bad.Bad[0].Off != 1<<20 || len(bad.Bad[0].Layers) != 1 || bad.Bad[0].Layers[0] != base.ID {
		t.Errorf("%+v", bad.Bad[0])
	}
	if bad.Bad[1].Off != 5<<20 || len(bad.Bad[1].Layers) != 2 {
		t.Errorf("%+v", bad.Bad[1])
	}
	if !strings.Contains(err.Error(), "at 1 MiB (in layer "+base.ID+")") {
		t.Errorf("%v", err)
	}
	flip(t, filepath.Join(dir, "layers", top.ID, "hashes"), 40)
	if err := e.VerifyLayer(t.Context(), top.ID, nil); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "list of hashes") {
		t.Errorf("damaged list: %v", err)
	}
}

func TestOtherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.MkdirAll(filepath.Join(dir, "tmp", "precious"), 0o700))
	body := []byte("{}\n")
	head := fmt.Sprintf("bootes-cow 1 %08x\n", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	ok(t, os.WriteFile(filepath.Join(dir, "boot"), append([]byte(head), body...), 0o600))
	_, err := cow.Open(dir, cow.Options{})
	if !errors.Is(err, cow.ErrVersion) || !strings.Contains(err.Error(), "format 1") || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tmp", "precious")); errors.Is(err, fs.ErrNotExist) {
		t.Error("it was touched all the same")
	}
}

// TestLostBootRecord: not knowing is as if the machine had been down.
func TestLostBootRecord(t *testing.T) {
	for _, harm := range []func(name string) error{
		os.Remove,
		func(name string) error { return os.WriteFile(name, []byte("rubbish"), 0o600) },
	} {
		r := newRuin(t)
		ok(t, harm(r.path("boot")))
		e := open(t, r.dir, cow.Options{Manual: true})
		if !e.BootChanged() {
			t.Error("taken for the same boot")
		}
		ok(t, e.SettleBoot(), e.Close())
		if e = open(t, r.dir, cow.Options{Manual: true}); e.BootChanged() {
			t.Error("not settled")
		}
	}
}
