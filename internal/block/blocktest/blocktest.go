// Package blocktest is the contract of block.Device as a test suite. Every
// device and every decorator of one passes it:
//
//	func TestContract(t *testing.T) { blocktest.Run(t, open, reopen) }
//
// Disk is for devices that are of another size or do not begin as zeros, and
// RunReadOnly for those that take no writes.
package blocktest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"bootes.dev/internal/block"
)

// Open returns a new device of size bytes. It cleans up after itself by
// t.Cleanup.
type Open func(t *testing.T, size int64) block.Device

// Reopen lets go of a device, without more ceremony than the death of the
// process allows, and opens it again. Nil if the device cannot be reopened.
type Reopen func(t *testing.T, d block.Device) block.Device

// Disk is a kind of device that is to keep the contract.
type Disk struct {
	Size    int64
	Content []byte // of a new one; nil: zeros
	Open    Open
	Reopen  Reopen
}

// OddSize is the size that Run takes: the last 4 KiB are not whole.
const OddSize = 8<<20 + 3*block.SectorSize

// Run checks that the devices that open returns, which read as zeros, keep the
// contract.
func Run(t *testing.T, open Open, reopen Reopen) {
	Disk{Size: OddSize, Open: open, Reopen: reopen}.Run(t)
}

// Run checks that the devices keep the contract.
func (k Disk) Run(t *testing.T) {
	if k.Content == nil {
		k.Content = make([]byte, k.Size)
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, d *device)
	}{
		{"fresh", testFresh}, {"bounds", testBounds}, {"unmap", testUnmap}, {"edge", testEdge}, {"random", testRandom},
		{"buffers", testBuffers}, {"overlap", testOverlap}, {"parallel", testParallel}, {"pinned", testPinned},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, &device{k.Open(t, k.Size), k, bytes.Clone(k.Content)})
		})
	}
}

// RunReadOnly checks a device that has this content and refuses changes.
func RunReadOnly(t *testing.T, d block.Device, content []byte) {
	v := &device{d, Disk{Size: int64(len(content)), Content: content}, content}
	testFresh(t, v)
	for name, err := range map[string]error{
		"WriteAt": second(d.WriteAt(make([]byte, block.SectorSize), 0)), "Unmap": d.Unmap(0, block.SectorSize),
	} {
		if !errors.Is(err, block.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	rng := rand.New(rand.NewPCG(4, uint64(v.Size())))
	for range 200 {
		off, n := v.draw(rng)
		v.compare(t, off, n)
	}
	for _, k := range v.pinSome(t) {
		k.Held.Release()
	}
	for _, c := range v.outside() {
		if err := second(d.ReadAt(make([]byte, c.n), c.off)); !errors.Is(err, c.want) {
			t.Errorf("ReadAt of %d bytes at %d: %v, want %v", c.n, c.off, err, c.want)
		}
	}
	v.compare(t, 0, v.Size())
}

func second(_ int, err error) error { return err }

// device is a device under test, beside what it should hold.
type device struct {
	block.Device
	kind  Disk
	model []byte
}

// Pattern fills p with sectors that each say where they are and who wrote
// them.
func Pattern(p []byte, off int64, stamp uint64) {
	for i := 0; i < len(p); i += block.SectorSize {
		sector := p[i:min(len(p), i+block.SectorSize)]
		for j := range sector[:min(8, len(sector))] {
			sector[j] = byte((uint64(off)+uint64(i))>>9*131 + stamp*29 + uint64(j)*7 + 1)
		}
		for n := 8; n < len(sector); n *= 2 {
			copy(sector[n:], sector[:n])
		}
	}
}

func (d *device) read(t *testing.T, off, n int64) []byte {
	t.Helper()
	p := bytes.Repeat([]byte{0xEE}, int(n))
	if m, err := d.ReadAt(p, off); err != nil || int64(m) != n {
		t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, off, m, err)
	}
	return p
}

func (d *device) write(t *testing.T, p []byte, off int64) {
	t.Helper()
	if m, err := d.WriteAt(p, off); err != nil || m != len(p) {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, m, err)
	}
	copy(d.model[off:], p)
}

func (d *device) unmap(t *testing.T, off, n int64) {
	t.Helper()
	if err := d.Unmap(off, n); err != nil {
		t.Fatalf("Unmap(%d, %d): %v", off, n, err)
	}
	clear(d.model[off : off+n])
}

func (d *device) flush(t *testing.T) {
	t.Helper()
	if err := d.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func (d *device) reopen(t *testing.T) {
	if d.kind.Reopen != nil {
		d.Device = d.kind.Reopen(t, d.Device)
	}
}

// compare reads a range, or what of it the disk has.
func (d *device) compare(t *testing.T, off, n int64) {
	t.Helper()
	off = max(0, off)
	n = min(n, d.Size()-off)
	got, want := d.read(t, off, n), d.model[off:off+n]
	if bytes.Equal(got, want) {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d (sector %d) is %#x, want %#x", off+int64(i), (off+int64(i))/block.SectorSize, got[i], want[i])
		}
	}
}

// draw returns a random range.
func (d *device) draw(rng *rand.Rand) (off, n int64) {
	off = rng.Int64N(d.Size()/block.SectorSize) * block.SectorSize
	return off, min(d.Size()-off, (1+rng.Int64N(1<<rng.IntN(9)))*block.SectorSize)
}

func testFresh(t *testing.T, d *device) {
	if d.Size() != d.kind.Size {
		t.Fatalf("Size() = %d, want %d", d.Size(), d.kind.Size)
	}
	d.compare(t, 0, d.Size())
	d.flush(t)
}

type access struct {
	off, n int64
	want   error
}

// outside lists accesses that a device refuses.
func (d *device) outside() []access {
	const s = block.SectorSize
	size := d.Size()
	return []access{
		{1, s, block.ErrUnaligned}, {0, s - 1, block.ErrUnaligned}, {0, 1, block.ErrUnaligned},
		{-s, s, block.ErrOutOfRange}, {size, s, block.ErrOutOfRange}, {size - s, 2 * s, block.ErrOutOfRange},
		{1 << 62, s, block.ErrOutOfRange}, {size + s, 0, block.ErrOutOfRange},
	}
}

func testBounds(t *testing.T, d *device) {
	for _, c := range append(d.outside(), access{}, access{off: d.Size()}) {
		p := bytes.Repeat([]byte{0x5A}, int(c.n))
		_, rerr := d.ReadAt(p, c.off)
		_, werr := d.WriteAt(p, c.off)
		for op, err := range map[string]error{"ReadAt": rerr, "WriteAt": werr, "Unmap": d.Unmap(c.off, c.n)} {
			if !errors.Is(err, c.want) || (c.want == nil && err != nil) {
				t.Errorf("%s of %d bytes at %d: %v, want %v", op, c.n, c.off, err, c.want)
			}
		}
	}
	if err := d.Unmap(block.SectorSize, 1<<62); !errors.Is(err, block.ErrOutOfRange) {
		t.Errorf("Unmap beyond the end: %v", err)
	}
	d.compare(t, 0, d.Size())
}

func testUnmap(t *testing.T, d *device) {
	size := d.Size()
	full := make([]byte, size)
	Pattern(full, 0, 1)
	d.write(t, full, 0)
	for _, r := range [][2]int64{
		{0, 512}, {4096, 4096}, {10240, 1024}, {20480 - 512, 8192 + 1024}, {1 << 20, 2 << 20}, {size - 512, 512}, {size - 3*512 - 4096, 3*512 + 4096},
	} {
		if r[0] >= 0 && r[0]+r[1] <= size {
			d.unmap(t, r[0], r[1])
			d.compare(t, r[0]-64<<10, r[1]+128<<10)
		}
	}
	d.compare(t, 0, size)
	d.flush(t)
	part := min(1<<20+1024, size-512)
	d.write(t, bytes.Repeat([]byte{7}, 512), part) // a part of an unmapped block: the rest stays zeros
	d.flush(t)
	d.compare(t, 0, size)
	d.unmap(t, 0, size)
	d.flush(t)
	d.reopen(t)
	d.compare(t, 0, size)
}

// testEdge writes every range of sectors around a few block boundaries.
func testEdge(t *testing.T, d *device) {
	const around = 40 * block.SectorSize
	stamp, size := uint64(0), d.Size()
	for from := int64(0); from < 18; from++ {
		for n := int64(1); n <= 20; n++ {
			for _, base := range []int64{0, max(0, size-around+2*512)} {
				off := base + from*512
				if off+n*512 > size {
					continue
				}
				stamp++
				p := make([]byte, n*512)
				Pattern(p, off, stamp)
				d.write(t, p, off)
			}
			if n%7 == 0 && (from+n)*512 <= size {
				d.unmap(t, from*512, n*512)
			}
		}
		d.compare(t, 0, around)
		d.compare(t, size-around, around)
	}
	d.compare(t, 0, size)
}

func testRandom(t *testing.T, d *device) {
	rng := rand.New(rand.NewPCG(3, uint64(d.Size())))
	for step := range 3000 {
		off, n := d.draw(rng)
		switch k := rng.IntN(100); {
		case k < 50:
			p := make([]byte, n)
			Pattern(p, off, uint64(step))
			d.write(t, p, off)
		case k < 60:
			d.unmap(t, off, n)
		case k < 65:
			d.flush(t)
		case k == 99 && rng.IntN(1+int(d.Size()>>24)) == 0:
			d.reopen(t)
			d.compare(t, 0, d.Size())
		default:
			d.compare(t, off, n)
		}
	}
	d.compare(t, 0, d.Size())
}

// testBuffers changes buffers after the calls that took them.
func testBuffers(t *testing.T, d *device) {
	p := bytes.Repeat([]byte{1}, int(min(8192, d.Size())))
	d.write(t, p, 0)
	clear(p)
	d.compare(t, 0, 8192)
}

// testOverlap has writers, unmappers and readers at one range. Each sector
// must be, at any time, as one of them left it.
func testOverlap(t *testing.T, d *device) {
	span := min(40*block.SectorSize, d.Size())
	d.unmap(t, 0, span)
	var wg sync.WaitGroup
	for w := range 4 {
		rng := rand.New(rand.NewPCG(uint64(w), 9))
		wg.Go(func() {
			for i := range 300 {
				off := rng.Int64N(span/512) * 512
				n := min(span-off, (1+rng.Int64N(24))*512)
				if i%5 == 4 {
					if err := d.Unmap(off, n); err != nil {
						t.Errorf("Unmap: %v", err)
					}
					continue
				}
				if _, err := d.WriteAt(bytes.Repeat([]byte{byte(16*w + i%16 + 1)}, int(n)), off); err != nil {
					t.Errorf("WriteAt: %v", err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			p := make([]byte, span)
			for range 600 {
				if _, err := d.ReadAt(p, 0); err != nil {
					t.Errorf("ReadAt: %v", err)
				}
				checkWhole(t, p)
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			if err := d.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
		}
	})
	wg.Wait()
	checkWhole(t, d.read(t, 0, span))
	d.compare(t, span, d.Size()-span)
}

func checkWhole(t *testing.T, p []byte) {
	for s := 0; s < len(p); s += block.SectorSize {
		sector := p[s : s+block.SectorSize]
		if !bytes.Equal(sector, bytes.Repeat(sector[:1], block.SectorSize)) {
			t.Errorf("sector %d is torn", s/block.SectorSize)
			return
		}
	}
}

// testParallel gives every worker sectors of its own that share 4 KiB blocks
// with the others', and checks that nobody loses a write.
func testParallel(t *testing.T, d *device) {
	const workers = 8
	perWorker := min(200, d.Size()/block.SectorSize/workers)
	var wg sync.WaitGroup
	for w := range int64(workers) {
		wg.Go(func() {
			p := make([]byte, block.SectorSize)
			for i := range perWorker {
				off := (i*workers + w) * block.SectorSize
				Pattern(p, off, uint64(w))
				if _, err := d.WriteAt(p, off); err != nil {
					t.Errorf("WriteAt: %v", err)
				}
				copy(d.model[off:], p)
				if i%50 == 0 {
					if err := d.Flush(); err != nil {
						t.Errorf("Flush: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	d.compare(t, 0, d.Size())
	d.reopen(t)
	d.compare(t, 0, d.Size())
}
