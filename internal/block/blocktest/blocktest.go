// Package blocktest is the contract of block.Device as a test suite. Every
// device and every decorator of one passes it:
//
//	func TestContract(t *testing.T) { blocktest.Run(t, open, reopen) }
package blocktest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"bootes.dev/internal/block"
)

// Open returns a new device of size bytes that reads as zeros. It cleans up
// after itself by t.Cleanup.
type Open func(t *testing.T, size int64) block.Device

// Reopen lets go of a device, without more ceremony than the death of the
// process allows, and opens it again. Nil if the device cannot be reopened.
type Reopen func(t *testing.T, d block.Device) block.Device

const size = 8<<20 + 3*block.SectorSize // the last 4 KiB are not whole

// Run checks that the devices that open returns keep the contract.
func Run(t *testing.T, open Open, reopen Reopen) {
	t.Run("fresh", func(t *testing.T) { testFresh(t, open(t, size)) })
	t.Run("bounds", func(t *testing.T) { testBounds(t, open(t, size)) })
	t.Run("unmap", func(t *testing.T) { testUnmap(t, open(t, size)) })
	t.Run("edge", func(t *testing.T) { testEdge(t, open(t, size)) })
	t.Run("random", func(t *testing.T) { testRandom(t, open(t, size), reopen) })
	t.Run("buffers", func(t *testing.T) { testBuffers(t, open(t, size)) })
	t.Run("overlap", func(t *testing.T) { testOverlap(t, open(t, size)) })
	t.Run("parallel", func(t *testing.T) { testParallel(t, open(t, size), reopen) })
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

func read(t *testing.T, d block.Device, off, n int64) []byte {
	t.Helper()
	p := bytes.Repeat([]byte{0xEE}, int(n))
	if m, err := d.ReadAt(p, off); err != nil || int64(m) != n {
		t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, off, m, err)
	}
	return p
}

func write(t *testing.T, d block.Device, p []byte, off int64) {
	t.Helper()
	if m, err := d.WriteAt(p, off); err != nil || m != len(p) {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, m, err)
	}
}

func flush(t *testing.T, d block.Device) {
	t.Helper()
	if err := d.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func compare(t *testing.T, d block.Device, model []byte, off, n int64) {
	t.Helper()
	got, want := read(t, d, off, n), model[off:off+n]
	if bytes.Equal(got, want) {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d (sector %d) is %#x, want %#x", off+int64(i), (off+int64(i))/block.SectorSize, got[i], want[i])
		}
	}
}

func testFresh(t *testing.T, d block.Device) {
	if d.Size() != size {
		t.Fatalf("Size() = %d, want %d", d.Size(), size)
	}
	compare(t, d, make([]byte, size), 0, size)
	flush(t, d)
}

func testBounds(t *testing.T, d block.Device) {
	const s = block.SectorSize
	for _, c := range []struct {
		off, n int64
		want   error
	}{
		{0, 0, nil}, {size, 0, nil}, {size - s, s, nil},
		{1, s, block.ErrUnaligned}, {0, s - 1, block.ErrUnaligned}, {0, 1, block.ErrUnaligned},
		{-s, s, block.ErrOutOfRange}, {size, s, block.ErrOutOfRange}, {size - s, 2 * s, block.ErrOutOfRange},
		{1 << 62, s, block.ErrOutOfRange}, {size + s, 0, block.ErrOutOfRange},
	} {
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
	compare(t, d, make([]byte, size), 0, size)
}

func testUnmap(t *testing.T, d block.Device) {
	model := make([]byte, size)
	Pattern(model, 0, 1)
	write(t, d, model, 0)
	for _, r := range [][2]int64{
		{0, 512}, {4096, 4096}, {10240, 1024}, {20480 - 512, 8192 + 1024}, {1 << 20, 2 << 20}, {size - 512, 512}, {size - 3*512 - 4096, 3*512 + 4096},
	} {
		if err := d.Unmap(r[0], r[1]); err != nil {
			t.Fatalf("Unmap(%d, %d): %v", r[0], r[1], err)
		}
		clear(model[r[0] : r[0]+r[1]])
		compare(t, d, model, 0, size)
	}
	flush(t, d)
	part := bytes.Repeat([]byte{7}, 512) // a part of an unmapped block: the rest stays zeros
	write(t, d, part, 1<<20+1024)
	copy(model[1<<20+1024:], part)
	flush(t, d)
	compare(t, d, model, 0, size)
	if err := d.Unmap(0, size); err != nil {
		t.Fatalf("Unmap of all: %v", err)
	}
	flush(t, d)
	compare(t, d, make([]byte, size), 0, size)
}

// testEdge writes every range of sectors around a few block boundaries.
func testEdge(t *testing.T, d block.Device) {
	model, stamp := make([]byte, size), uint64(0)
	for from := int64(0); from < 18; from++ {
		for n := int64(1); n <= 20; n++ {
			for _, base := range []int64{0, size - 38*512} {
				stamp++
				off, p := base+from*512, make([]byte, n*512)
				Pattern(p, off, stamp)
				write(t, d, p, off)
				copy(model[off:], p)
			}
			if n%7 == 0 {
				if err := d.Unmap(from*512, n*512); err != nil {
					t.Fatal(err)
				}
				clear(model[from*512 : (from+n)*512])
			}
		}
		compare(t, d, model, 0, size)
	}
}

func testRandom(t *testing.T, d block.Device, reopen Reopen) {
	rng := rand.New(rand.NewPCG(3, uint64(size)))
	model := make([]byte, size)
	for step := range 3000 {
		off := rng.Int64N(size/512) * 512
		n := min(size-off, (1+rng.Int64N(1<<rng.IntN(9)))*512)
		switch k := rng.IntN(100); {
		case k < 50:
			p := make([]byte, n)
			Pattern(p, off, uint64(step))
			write(t, d, p, off)
			copy(model[off:], p)
		case k < 60:
			if err := d.Unmap(off, n); err != nil {
				t.Fatal(err)
			}
			clear(model[off : off+n])
		case k < 65:
			flush(t, d)
		case k == 99 && reopen != nil:
			d = reopen(t, d)
			compare(t, d, model, 0, size)
		default:
			compare(t, d, model, off, n)
		}
	}
	compare(t, d, model, 0, size)
}

// testBuffers changes buffers after the calls that took them.
func testBuffers(t *testing.T, d block.Device) {
	p := bytes.Repeat([]byte{1}, 8192)
	write(t, d, p, 0)
	clear(p)
	if got := read(t, d, 0, 8192); !bytes.Equal(got, bytes.Repeat([]byte{1}, 8192)) {
		t.Fatal("the device kept a reference to the caller's buffer")
	}
}

// testOverlap has writers, unmappers and readers at one range. Each sector
// must be, at any time, as one of them left it.
func testOverlap(t *testing.T, d block.Device) {
	const span = 40 * block.SectorSize
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
	checkWhole(t, read(t, d, 0, span))
	if !bytes.Equal(read(t, d, span, size-span), make([]byte, size-span)) {
		t.Error("a write changed something outside its range")
	}
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
func testParallel(t *testing.T, d block.Device, reopen Reopen) {
	const workers, perWorker = 8, 200
	model := make([]byte, size)
	var wg sync.WaitGroup
	for w := range int64(workers) {
		wg.Go(func() {
			p := make([]byte, block.SectorSize)
			for i := range int64(perWorker) {
				off := (i*workers + w) * block.SectorSize
				Pattern(p, off, uint64(w))
				if _, err := d.WriteAt(p, off); err != nil {
					t.Errorf("WriteAt: %v", err)
				}
				copy(model[off:], p)
				if i%50 == 0 {
					if err := d.Flush(); err != nil {
						t.Errorf("Flush: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	compare(t, d, model, 0, size)
	if reopen != nil {
		compare(t, reopen(t, d), model, 0, size)
	}
}
