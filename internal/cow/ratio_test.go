package cow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bootes.dev/internal/cow"
)

// BenchmarkAgainstPlain takes turns with a plain file, batch by batch, and
// reports the plain file's median batch time over the volume's: on a disk
// whose speed wanders, only what was measured side by side compares.
func BenchmarkAgainstPlain(b *testing.B) {
	for _, every := range []int{1, 32} {
		for _, present := range []bool{false, true} {
			b.Run(fmt.Sprintf("write/present=%v/flush=%d", present, every), func(b *testing.B) {
				e := benchEngine(b)
				must(e.CreateVolume(cow.VolumeSpec{ID: "v", Size: benchSize}))
				v := disk(must(e.OpenVolume("v")))
				if present {
					for off := int64(0); off < benchSize; off += 1 << 20 {
						must(v.WriteAt(make([]byte, 1<<20), off))
					}
				}
				p, order := make([]byte, 4096), rand.New(rand.NewPCG(1, 1)).Perm(benchSize/4096)
				next := 0
				takeTurns(b, benchPlain(b, present), v, func(d disk, turn int) {
					if turn == 0 {
						next += 32
					}
					for i := range 32 {
						must(d.WriteAt(p, int64(order[(next+i)%len(order)])*4096))
						if i%every == every-1 && d.Flush() != nil {
							b.Fatal("flush failed")
						}
					}
				})
			})
		}
	}
	for _, depth := range []int{1, 20} {
		b.Run(fmt.Sprintf("read/layers=%d", depth), func(b *testing.B) {
			p, plain, v := make([]byte, 4096), benchPlain(b, true), benchClone(b, depth)
			for off := int64(0); off < benchSize; off += 4096 {
				must(v.ReadAt(p, off))
			}
			takeTurns(b, plain, v, func(d disk, _ int) {
				for range 256 {
					must(d.ReadAt(p, rand.Int64N(benchSize/4096)*4096))
				}
			})
		})
	}
}

func takeTurns(b *testing.B, plain, volume disk, batch func(d disk, turn int)) {
	var took [2][]time.Duration
	if plain.Flush() != nil || volume.Flush() != nil {
		b.Fatal("flush failed")
	}
	b.ResetTimer()
	for range b.N {
		for turn, d := range [...]disk{plain, volume} {
			start := time.Now()
			batch(d, turn)
			took[turn] = append(took[turn], time.Since(start))
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	b.ReportMetric(float64(took[0][b.N/2])/float64(took[1][b.N/2]), "of-plain")
}
