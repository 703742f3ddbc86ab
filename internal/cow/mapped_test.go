package cow_test

import (
	"testing"

	"bootes.dev/internal/cow"
)

// mappedRuns joins what a volume tells from off to off+n: lengths, those of
// blocks without content as negative numbers.
func mappedRuns(t *testing.T, v *cow.Volume, off, n int64) (runs []int64) {
	t.Helper()
	for end := off + n; off < end; {
		mapped, n := v.Mapped(off, end-off)
		if n <= 0 || n > end-off {
			t.Fatalf("%d bytes at %d of %d", n, off, end)
		}
		off += n
		if !mapped {
			n = -n
		}
		if k := len(runs); k > 0 && (runs[k-1] > 0) == mapped {
			runs[k-1] += n
		} else {
			runs = append(runs, n)
		}
	}
	return runs
}

func TestMapped(t *testing.T) {
	const block, size = cow.BlockSize, 256 << 20 // several pages of the map
	e := open(t, t.TempDir(), cow.Options{})
	base := newLayer(t, e, "", size, func(b *cow.LayerBuilder) {
		p := make([]byte, 2*block)
		fillStamp(p, 1)
		must(b.WriteAt(p, 8*block))
		must(b.WriteAt(p, 100<<20))
	})
	v := newVolume(t, e, cow.VolumeSpec{Base: base.ID, Size: size + 1<<20})
	expect := func(when string, off, n int64, want ...int64) {
		t.Helper()
		got := mappedRuns(t, v, off, n)
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("%s: got %v, want %v", when, got, want)
			}
		}
	}
	const all = size + 1<<20
	expect("image alone", 0, all, -8*block, 2*block, -(100<<20 - 10*block), 2*block, -(all - 100<<20 - 2*block))
	expect("parts of blocks", 7*block+512, 4*block, -(block - 512), 2*block, -(block + 512))
	expect("within a block", 8*block+1024, 512, 512)

	put(t, v, 9*block, 2*block, 2)
	ok(t, v.Unmap(8*block, block))
	expect("overlay", 0, 20*block, -9*block, 2*block, -9*block)
	must(e.Snapshot("v", "s"))
	expect("snapshot", 0, 20*block, -9*block, 2*block, -9*block)
	put(t, v, size, block, 3)
	expect("beyond the image", size-block, 3*block, -block, block, -block)
	ok(t, v.Unmap(9*block, block))
	expect("unmapped over a snapshot", 0, 20*block, -10*block, block, -9*block)

	ok(t, v.Close(), e.Resize("v", 50<<20), e.Resize("v", size))
	v = openVolume(t, e, "v")
	expect("cut off and grown", 0, size, -10*block, block, -(size - 11*block))
	if n := testing.AllocsPerRun(10, func() { v.Mapped(0, size) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
