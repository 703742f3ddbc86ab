package cow_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/block/blocktest"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// chainSizes of disks: of one sector; of a block and a sector; of several map
// pages, the last block not whole.
var chainSizes = []int64{block.SectorSize, 4096 + block.SectorSize, 64<<20 + 3*block.SectorSize}

// stack seals so many layers on each other, each with some of the content.
func stack(t *testing.T, e *cow.Engine, depth int, size int64) (top string, content []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(depth), uint64(size)))
	content = make([]byte, size)
	for k := range depth {
		top = newLayer(t, e, top, size, func(b *cow.LayerBuilder) {
			for range 40 {
				first := rng.Int64N(size/512) * 512
				if rng.IntN(2) == 0 { // some of it near to each other
					first %= min(size, 1<<20)
				}
				p := content[first:min(size, first+(1+rng.Int64N(64))*512)]
				clear(p)
				if rng.IntN(5) > 0 {
					blocktest.Pattern(p, first, uint64(k+1))
				}
				must(b.WriteAt(p, first))
			}
		}).ID
	}
	return top, content
}

// TestChains runs the contract over chains of layers: a volume on top, and the
// layers themselves.
func TestChains(t *testing.T) {
	for _, depth := range []int{1, 2, 20} {
		for _, size := range chainSizes {
			if raceDetector && depth == 2 && size > 1<<20 {
				continue
			}
			t.Run(fmt.Sprintf("depth=%d/size=%d", depth, size), func(t *testing.T) {
				t.Parallel()
				dir, o := t.TempDir(), cow.Options{}
				if size < 1<<20 { // without waiting for the disk's syncs
					dir, o.FS = "/d", crashfs.New(1, "/")
				}
				e := open(t, dir, o)
				top, content := stack(t, e, depth, size)
				l := must(e.OpenLayer(top))
				t.Run("layer", func(t *testing.T) { blocktest.RunReadOnly(t, l, bytes.Clone(content)) })
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				n := 0
				blocktest.Disk{
					Size: size, Content: content,
					Open: func(t *testing.T, size int64) block.Device {
						n++
						return newVolume(t, e, cow.VolumeSpec{ID: fmt.Sprint("v", n), Base: top})
					},
					Reopen: func(t *testing.T, d block.Device) block.Device {
						if err := d.(*cow.Volume).Close(); err != nil {
							t.Fatal(err)
						}
						return openVolume(t, e, fmt.Sprint("v", n))
					},
				}.Run(t)
				if err := e.VerifyLayer(t.Context(), top, nil); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
