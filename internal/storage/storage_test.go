package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a whole data folder: store, inventory and engine share it.
type site struct {
	*Storage
	t      testing.TB
	dir    string
	store  *store.Store
	eng    *cow.Engine
	inv    *inventory.Inventory
	bootID byte // of the pretended kernel
}

func newSite(t testing.TB) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		t.Fatal(err)
	}
	x := &site{t: t, dir: dir, bootID: 1}
	t.Cleanup(func() {
		x.stop()
		os.RemoveAll(dir)
	})
	x.start()
	return x
}

func (x *site) start() {
	x.t.Helper()
	var err error
	x.store, err = store.Open(x.t.Context(), store.Options{Dir: x.dir, ReserveBytes: 1 << 20, LowBytes: 1 << 20})
	if err != nil {
		x.t.Fatal(err)
	}
	x.inv = inventory.New(x.store)
	ready := make(chan struct{})
	defer close(ready)
	x.eng, err = cow.Open(x.dir, cow.Options{BootID: [16]byte{x.bootID}, Hashed: func(l cow.LayerInfo) {
		<-ready
		x.Hashed(context.Background(), l.ID, l.Digest)
	}})
	if err != nil {
		x.t.Fatal(err)
	}
	x.Storage = New(Options{Engine: x.eng, Inventory: x.inv, Dir: x.dir, MinFree: 1 << 20})
	x.closing = 5 * time.Millisecond
}

func (x *site) stop() {
	x.t.Helper()
	if err := errors.Join(x.eng.Close(), x.store.Close()); err != nil {
		x.t.Errorf("stop: %v", err)
	}
}

func (x *site) restart() {
	x.t.Helper()
	x.stop()
	x.start()
}

// disk is a Source in memory; with extents if it says so.
type disk struct {
	*bytes.Reader
	pieces []extent
	failAt int64 // reads beyond it fail; 0: none
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if d.failAt != 0 && off >= d.failAt {
		return 0, errors.New("bad sector")
	}
	return d.Reader.ReadAt(p, off)
}

func (d *disk) Extent(off int64) (start, end int64, err error) {
	if d.pieces == nil {
		return off, d.Size(), nil
	}
	for _, p := range d.pieces {
		if p.end > off {
			return p.start, p.end, nil
		}
	}
	return 0, 0, io.EOF
}

func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func newDisk(content []byte) *disk { return &disk{Reader: bytes.NewReader(content)} }

const diskSize = 3<<20 + 512

func (x *site) importImage(ref string, content []byte) inventory.Image {
	x.t.Helper()
	img, err := x.ImportImage(x.t.Context(), ref, newDisk(content), Meta{Source: "test", Identity: true}, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.digested(img)
}

// digested is the image with its digest, which follows.
func (x *site) digested(img inventory.Image) inventory.Image {
	x.t.Helper()
	if !eventually(func() bool {
		now, err := x.inv.Image(x.t.Context(), img.Ref())
		img.Digest = now.Digest
		return err == nil && now.Digest != ""
	}) {
		x.t.Fatalf("no digest of %s followed", img.Ref())
	}
	return img
}

func (x *site) machine(name string, n byte, image string) {
	x.t.Helper()
	_, err := x.inv.AddMachine(x.t.Context(), inventory.Machine{Name: name, MACs: []string{fmt.Sprintf("52:54:00:00:00:%02x", n)}, Image: image, Limit: 1 << 20})
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *site) boot(machine string) inventory.Boot {
	x.t.Helper()
	b, _, err := x.inv.OpenBoot(x.t.Context(), machine)
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func (x *site) volume(machine string, mode inventory.Mode, boot string) inventory.Volume {
	x.t.Helper()
	v, err := x.CreateVolume(x.t.Context(), machine, "debian:12", mode, boot)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

// empty fails unless nothing at all is on disk and on record.
func (x *site) empty(what string) {
	x.t.Helper()
	images, err := x.inv.Images(x.t.Context())
	if err != nil || len(images)+len(x.eng.Layers())+len(x.eng.Volumes()) != 0 {
		x.t.Errorf("%s left %d images, %d layers, %d volumes, %v", what, len(images), len(x.eng.Layers()), len(x.eng.Volumes()), err)
	}
	tmp, _ := os.ReadDir(filepath.Join(x.dir, "tmp"))
	if len(tmp) != 0 {
		x.t.Errorf("%s left %v", what, tmp)
	}
}

func (x *site) content(v inventory.Volume) []byte {
	x.t.Helper()
	d, err := x.OpenVolume(x.t.Context(), v.ID)
	if err != nil {
		x.t.Fatal(err)
	}
	defer d.Close()
	b := make([]byte, d.Size())
	if _, err := d.ReadAt(b, 0); err != nil {
		x.t.Fatal(err)
	}
	return b
}

func TestImportAndClone(t *testing.T) {
	x := newSite(t)
	want := random(diskSize, 1)
	copy(want[1<<20:2<<20], make([]byte, 1<<20)) // a hole in the middle
	src := newDisk(want)
	src.pieces = []extent{{0, 1 << 20}, {2 << 20, diskSize}}
	var done, total int64
	img, err := x.ImportImage(t.Context(), "debian:12", src, Meta{Source: "a file", Identity: true}, func(d, n int64) {
		if d < done {
			t.Errorf("progress went from %d to %d", done, d)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	if img = x.digested(img); img.Size != diskSize || img.Stored > 3<<20 || !strings.HasPrefix(img.Digest, "sha256:") || !img.Identity || img.Source != "a file" {
		t.Errorf("%+v", img)
	}
	if done != total || total != 2<<20+512 {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	if !bytes.Equal(x.content(v), want) {
		t.Error("the clone differs from what was imported")
	}
	if v.Digest != img.Digest || v.Limit != 1<<20 {
		t.Errorf("%+v", v)
	}
	x.restart()
	if findings, err := x.Reconcile(t.Context()); err != nil || len(findings) != 0 {
		t.Errorf("a clean restart found %+v, %v", findings, err)
	}
	if !bytes.Equal(x.content(v), want) {
		t.Error("after a restart it differs")
	}
}

func TestImportFailures(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	content := random(diskSize, 2)

	bad := newDisk(content)
	bad.failAt = 2 << 20
	_, err := x.ImportImage(ctx, "debian:12", bad, Meta{}, nil)
	if err == nil || err.Error() != `import image "debian:12": read at 2097152: bad sector` {
		t.Errorf("bad sector: %v", err)
	}
	x.empty("a bad sector")

	short := newDisk(content)
	short.pieces = []extent{{0, diskSize + 512}}
	if _, err := x.ImportImage(ctx, "debian:12", short, Meta{}, nil); err == nil {
		t.Error("an extent beyond the end was taken")
	}
	x.empty("a bad extent")

	cancelled, cancel := context.WithCancel(ctx)
	_, err = x.ImportImage(cancelled, "debian:12", newDisk(content), Meta{}, func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	x.empty("a cancelled import")

	// Cancelled when the layer is sealed, and only the record is missing.
	cancelled, cancel = context.WithCancel(ctx)
	_, err = x.ImportImage(cancelled, "debian:12", newDisk(content), Meta{}, func(done, total int64) {
		if done == total {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled at the end: %v", err)
	}
	x.empty("an import cancelled at its end")

	_, err = x.ImportImage(ctx, "debian", newDisk(content), Meta{}, nil)
	var invalid *inventory.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("bad name: %v", err)
	}
	x.importImage("debian:12", content)
	_, err = x.ImportImage(ctx, "debian:12", bad, Meta{}, nil)
	var exists *inventory.ExistsError
	if !errors.As(err, &exists) || !strings.Contains(err.Error(), "image rm debian:12") {
		t.Errorf("again: %v", err)
	}
}

// TestImportTwiceAtOnce: one wins, the other leaves nothing.
func TestImportTwiceAtOnce(t *testing.T) {
	x := newSite(t)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = x.ImportImage(t.Context(), "debian:12", newDisk(random(diskSize, byte(i))), Meta{}, nil)
		})
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || len(x.eng.Layers()) != 1 {
		t.Errorf("%v, %d layers", errs, len(x.eng.Layers()))
	}
}

// huge is a disk that says it is full of data.
type huge struct{ size int64 }

func (h huge) Size() int64                           { return h.size }
func (h huge) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestImageTooLarge(t *testing.T) {
	x := newSite(t)
	_, err := x.ImportImage(t.Context(), "debian:12", huge{1 << 50}, Meta{}, nil)
	var noRoom *NoRoomError
	if !errors.As(err, &noRoom) || !strings.Contains(err.Error(), "a disk of 1 PiB with 1 PiB of data") || !strings.Contains(err.Error(), fmt.Sprintf("%q", x.dir)) {
		t.Errorf("got %v", err)
	}
	x.empty("too large an image")
	var st unix.Statfs_t
	if err := unix.Statfs(x.dir, &st); err != nil {
		t.Fatal(err)
	}
	data := int64(st.Bavail) * st.Bsize * 2 / 3
	if err := x.RoomToConvert(1<<50, data); !errors.As(err, &noRoom) || !strings.Contains(err.Error(), "of data (2 times that while it is converted), and") {
		t.Errorf("room to convert: %v", err)
	}
	if err := x.RoomToConvert(1<<50, data/2); err != nil {
		t.Errorf("room to convert half of it: %v", err)
	}
}

func TestRemoveImage(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 3))
	x.importImage("debian:13", random(diskSize, 4))
	x.machine("pc1", 1, "debian:12")
	var inUse *inventory.InUseError
	if err := x.RemoveImage(ctx, "debian:12"); !errors.As(err, &inUse) || !strings.Contains(err.Error(), "machine pc1") {
		t.Errorf("in use: %v", err)
	}
	if err := x.RemoveImage(ctx, "debian:13"); err != nil {
		t.Error(err)
	}
	if n := len(x.eng.Layers()); n != 1 {
		t.Errorf("%d layers", n)
	}
	if left, _ := x.inv.Removals(ctx); len(left) != 0 {
		t.Errorf("notes left: %v", left)
	}
}

func TestVolumesAreOnePerPurpose(t *testing.T) {
	x := newSite(t)
	x.importImage("debian:12", random(diskSize, 5))
	x.machine("pc1", 1, "debian:12")
	b := x.boot("pc1")
	for _, mode := range []inventory.Mode{inventory.Persistent, inventory.Ephemeral} {
		var mu sync.Mutex
		got := map[string]bool{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				v, err := x.CreateVolume(t.Context(), "pc1", "debian:12", mode, b.ID)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				got[v.ID] = true
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Errorf("%s: %v", mode, got)
		}
	}
	if n := len(x.eng.Volumes()); n != 2 {
		t.Errorf("%d volumes on disk", n)
	}
	if left, err := x.inv.Removals(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("notes left: %v, %v", left, err)
	}
	for _, tt := range []struct{ machine, image, want string }{
		{"pc2", "debian:12", `no machine "pc2"`},
		{"pc1", "debian:13", `no image "debian:13": there are debian:12`},
	} {
		if _, err := x.CreateVolume(t.Context(), tt.machine, tt.image, inventory.Persistent, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v", tt.machine, tt.image, err)
		}
	}
}

func TestRemoveVolume(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 6))
	x.machine("pc1", 1, "debian:12")
	v := x.volume("pc1", inventory.Persistent, "")
	d, err := x.OpenVolume(ctx, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	var inUse *inventory.InUseError
	if err := x.RemoveVolume(ctx, v.ID, false); !errors.As(err, &inUse) {
		t.Errorf("while open: %v", err)
	}
	if _, err := x.inv.Volume(ctx, v.ID); err != nil {
		t.Errorf("refused, and off the record: %v", err)
	}
	if v, err := x.SetLimit(ctx, v.ID, 2<<20); err != nil || v.Limit != 2<<20 {
		t.Errorf("limit while open: %+v, %v", v, err)
	}
	if info, err := x.eng.Volume(v.ID); err != nil || info.Limit != 2<<20 {
		t.Errorf("engine's limit: %+v, %v", info, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveVolume(ctx, v.ID, false); err != nil {
		t.Error(err)
	}
	var missing *inventory.NotFoundError
	if _, err := x.OpenVolume(ctx, v.ID); !errors.As(err, &missing) {
		t.Errorf("open after removal: %v", err)
	}
	if n := len(x.eng.Volumes()); n != 0 {
		t.Errorf("%d volumes on disk", n)
	}
}

func TestDiscard(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:12", random(diskSize, 7))
	x.machine("pc1", 1, "debian:12")
	one, two := x.boot("pc1"), x.boot("pc1")
	x.volume("pc1", inventory.Ephemeral, one.ID)
	keep := x.volume("pc1", inventory.Ephemeral, two.ID)
	_, gone, err := x.inv.Promote(ctx, two.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is no error
		if err := x.Discard(ctx, gone); err != nil {
			t.Error(err)
		}
	}
	if vs := x.eng.Volumes(); len(vs) != 1 || vs[0].ID != keep.ID {
		t.Errorf("left %+v", vs)
	}
}
