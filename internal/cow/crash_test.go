package cow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// crashDisk has so many map pages that a directory takes several sectors.
const crashDisk = 8<<30 + 3*512

// crasher drives one volume through writes, deaths and power cuts and knows
// what each sector may hold.
type crasher struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *crashfs.FS
	boot byte
	e    *cow.Engine
	v    *cow.Volume
	// now is what a sector reads as; old are the values before it back to
	// the last Flush, any of which a power cut may bring back.
	now map[int64]uint32
	old map[int64][]uint32
	// maybe is what an operation that died half-way was about to write.
	maybe map[int64]uint32
	stamp uint32
	vol   bool
	// journal is its size: of the small ones most flushes are checkpoints, in
	// the large ones most carry their data.
	journal int64
}

func (c *crasher) open() {
	c.t.Helper()
	var err error
	c.e, err = cow.Open("/d", cow.Options{FS: c.fs, BootID: [16]byte{c.boot}, JournalSize: c.journal})
	if err != nil {
		c.t.Fatalf("open: %v", err)
	}
	if c.v, err = c.e.OpenVolume("v"); err != nil {
		c.t.Fatalf("open volume: %v", err)
	}
}

// place draws a range from a few hot spots, in different map pages and at the
// disk's end.
func (c *crasher) place() (off, n int64) {
	spots := []int64{0, 64<<20 - 64<<10, 7 << 30, crashDisk - 128<<10 + 512}
	off = spots[c.rng.IntN(len(spots))]/512*512 + c.rng.Int64N(256)*512
	n = (1 + c.rng.Int64N(1<<c.rng.IntN(6))) * 512
	return off, min(n, crashDisk-off)
}

func (c *crasher) set(off, n int64, stamp uint32, certain bool) {
	for s := off / 512; s < (off+n)/512; s++ {
		c.old[s] = append(c.old[s], c.now[s], stamp)
		if certain {
			c.now[s] = stamp
			continue
		}
		if _, ok := c.now[s]; !ok {
			c.now[s] = 0
		}
		c.maybe[s] = stamp
	}
}

func (c *crasher) write() error {
	off, n := c.place()
	c.stamp++
	p := make([]byte, n)
	fillStamp(p, c.stamp)
	_, err := c.v.WriteAt(p, off)
	c.set(off, n, c.stamp, err == nil)
	return err
}

func (c *crasher) unmap() error {
	off, n := c.place()
	if c.rng.IntN(20) == 0 {
		off, n = 0, crashDisk
		if c.rng.IntN(2) == 0 {
			off, n = 64<<20, 64<<20
		}
	}
	err := c.v.Unmap(off, n)
	for s := range c.now {
		if s >= off/512 && s < (off+n)/512 {
			c.set(s*512, 512, 0, err == nil)
		}
	}
	return err
}

func (c *crasher) flush() error {
	err := c.v.Flush()
	if err == nil && !c.vol {
		clear(c.old)
	}
	return err
}

// check reads every sector ever written. After a loss a sector may hold one of
// its old values, and from then on holds it.
func (c *crasher) check(lossy bool) {
	c.t.Helper()
	p := make([]byte, 512)
	want := make([]byte, 512)
	for s, now := range c.now {
		if _, err := c.v.ReadAt(p, s*512); err != nil {
			c.t.Fatalf("read sector %d: %v", s, err)
		}
		got := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24
		fillStamp(want, got)
		if string(p) != string(want) {
			c.t.Fatalf("sector %d is torn", s)
		}
		if other, ok := c.maybe[s]; got != now && !(ok && got == other) && !(lossy && slices.Contains(c.old[s], got)) {
			c.t.Fatalf("sector %d holds %d, want %d (or, if lossy=%v, of %v)", s, got, now, lossy, c.old[s])
		}
		c.now[s] = got
	}
	clear(c.maybe)
	if lossy {
		// What is read is not yet durable by that, but what can be read is
		// what can be lost again.
		for s := range c.old {
			c.old[s] = append(c.old[s], c.now[s])
		}
	}
}

func (c *crasher) step() {
	var err error
	switch k := c.rng.IntN(1000); {
	case k < 700:
		err = c.write()
	case k < 800:
		err = c.unmap()
	case k < 950:
		err = c.flush()
	case k < 970:
		c.check(false)
	case k < 978: // kill -9
		c.dieSoon()
		c.fs.Kill()
		_ = c.e.Close()
		c.fs.SetFault(nil)
		c.open()
		c.check(false)
	case k < 982: // restart in good order
		if err := c.e.Close(); err != nil {
			c.t.Fatalf("close: %v", err)
		}
		if !c.vol {
			clear(c.old)
		}
		c.open()
		c.check(false)
	case k < 995 && !c.vol:
		c.dieSoon()
		c.fs.PowerCut()
		_ = c.e.Close()
		c.fs.SetFault(nil)
		c.boot++
		c.open()
		c.check(true)
	case !c.vol:
		c.failSync()
	}
	if err != nil {
		c.t.Fatalf("after stamp %d: %v", c.stamp, err)
	}
}

// dieSoon goes on until something is cut off in its middle, or stops at once.
func (c *crasher) dieSoon() {
	left := c.rng.IntN(40)
	if left < 10 {
		return
	}
	c.fs.SetFault(func(op, _ string) error {
		if left--; left < 0 && op != "stat" {
			return os.ErrProcessDone
		}
		return nil
	})
	var err error
	for err == nil {
		switch c.rng.IntN(4) {
		case 0:
			err = c.unmap()
		case 1:
			err = c.flush()
		default:
			err = c.write()
		}
	}
}

// failSync has one of the next syncs fail: nothing works until the volume is
// reopened, and then it is as after the last Flush that succeeded, or newer.
func (c *crasher) failSync() {
	nth := c.rng.IntN(3)
	c.fs.SetFault(func(op, _ string) error {
		if op != "sync" {
			return nil
		}
		nth--
		if nth < 0 {
			return syscall.EIO
		}
		return nil
	})
	var err error
	for i := 0; err == nil && i < 50; i++ {
		if err = c.write(); err == nil {
			err = c.flush()
		}
	}
	c.fs.SetFault(nil)
	if !errors.Is(err, block.ErrFailed) && strings.Contains(err.Error(), "/tmp/") {
		return // there was no overlay yet: nothing is lost, and nothing failed
	}
	if !errors.Is(err, block.ErrFailed) {
		c.t.Fatalf("a failed sync gave %v", err)
	}
	for range 3 { // final, though syncs would work again
		if err := c.v.Flush(); !errors.Is(err, block.ErrFailed) {
			c.t.Fatalf("Flush after a failed sync: %v", err)
		}
		if _, err := c.v.ReadAt(make([]byte, 512), 0); !errors.Is(err, block.ErrFailed) {
			c.t.Fatalf("ReadAt after a failed sync: %v", err)
		}
	}
	_ = c.v.Close()
	v, err := c.e.OpenVolume("v")
	if err != nil {
		c.t.Fatalf("reopen after a failed sync: %v", err)
	}
	c.v = v
	c.check(true)
}

func TestCrashes(t *testing.T) {
	for seed := range seeds(24) {
		for _, volatile := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed=%d/volatile=%v", seed, volatile), func(t *testing.T) {
				c := &crasher{
					t: t, rng: rand.New(rand.NewPCG(seed, 5)), fs: crashfs.New(seed, "/"), boot: 1,
					now: map[int64]uint32{}, old: map[int64][]uint32{}, maybe: map[int64]uint32{}, vol: volatile,
					journal: 8 << 10 << (seed % 3 * 2),
				}
				c.start()
				for range 1000 {
					c.step()
				}
				c.check(false)
				if err := c.e.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// start makes a clone of a layer that has data in one of the hot spots.
func (c *crasher) start() {
	e := must(cow.Open("/d", cow.Options{FS: c.fs, BootID: [16]byte{c.boot}}))
	base := newLayer(c.t, e, "", 65<<20, func(b *cow.LayerBuilder) {
		p := make([]byte, 64<<10)
		fillStamp(p, 1<<31)
		must(b.WriteAt(p, 64<<20-64<<10))
	})
	for s := int64(64<<20-64<<10) / 512; s < 64<<20/512; s++ {
		c.now[s] = 1 << 31
	}
	must(e.CreateVolume(cow.VolumeSpec{ID: "v", Base: base.ID, Size: crashDisk, Volatile: c.vol}))
	if err := e.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.open()
	c.check(false)
}

// TestPowerCutWhileMaking cuts the power after each operation of making a
// layer and a volume: each is there whole, or not at all.
func TestPowerCutWhileMaking(t *testing.T) {
	for cut := 1; ; cut++ {
		fs := crashfs.New(uint64(cut), "/")
		ops, off := 0, false
		fs.SetFault(func(op, _ string) error {
			if op == "stat" || op == "list" || op == "read" {
				return nil
			}
			if ops++; ops >= cut {
				off = true
				return os.ErrProcessDone
			}
			return nil
		})
		layer, made := makeThings(fs)
		if !off {
			if !made {
				t.Fatal("nothing failed and nothing was made")
			}
			return
		}
		fs.PowerCut()
		fs.SetFault(nil)
		e := must(cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{2}}))
		if names := must(fs.List("/d/tmp")); len(names) > 0 {
			t.Errorf("cut %d: left half-made: %v", cut, names)
		}
		for _, l := range e.Layers() {
			if err := e.VerifyLayer(t.Context(), l.ID, nil); err != nil {
				t.Errorf("cut %d: %v", cut, err)
			}
		}
		if layer != "" && len(e.Layers()) != 1 {
			t.Errorf("cut %d: the sealed layer is gone", cut)
		}
		for _, v := range e.Volumes() {
			d, err := e.OpenVolume(v.ID)
			if err != nil {
				t.Errorf("cut %d: %v", cut, err)
				continue
			}
			p := make([]byte, 8192)
			must(d.ReadAt(p, 0))
			if strings.Trim(string(p), "x") != "" {
				t.Errorf("cut %d: clone does not read as its image", cut)
			}
		}
		if made && len(e.Volumes()) != 1 {
			t.Errorf("cut %d: the volume is gone", cut)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// makeThings reports what it was told is durable.
func makeThings(fs *crashfs.FS) (layer string, volume bool) {
	e, err := cow.Open("/d", cow.Options{FS: fs, BootID: [16]byte{1}})
	if err != nil {
		return "", false
	}
	defer e.Close()
	b, err := e.NewLayer(1 << 20)
	if err != nil {
		return "", false
	}
	if _, err := b.WriteAt([]byte(strings.Repeat("x", 8192)), 0); err != nil {
		return "", false
	}
	info, err := b.Seal(context.Background())
	if err != nil {
		return "", false
	}
	_, err = e.CreateVolume(cow.VolumeSpec{ID: "v", Base: info.ID})
	return info.ID, err == nil
}
