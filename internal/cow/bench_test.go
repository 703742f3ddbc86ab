package cow_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"bootes.dev/internal/cow"
)

const benchSize = 256 << 20

func benchEngine(b *testing.B) *cow.Engine {
	b.Helper()
	e, err := cow.Open(b.TempDir(), cow.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type disk interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Flush() error
}

type plain struct{ *os.File }

func (p plain) Flush() error { return p.Sync() }

// clone of a full layer under n-1 layers of scattered changes.
func benchClone(b *testing.B, depth int) disk {
	e := benchEngine(b)
	parent := ""
	for i := range depth {
		lb := must(e.NewLayerOn(parent, benchSize))
		p := make([]byte, 1<<20)
		for j := range p {
			p[j] = byte(j)
		}
		for off := int64(0); off < benchSize; off += 1 << 20 {
			if i > 0 {
				must(lb.WriteAt(p[:8192], off+rand.Int64N(128)*8192))
			} else {
				must(lb.WriteAt(p, off))
			}
		}
		parent = must(lb.Seal(b.Context())).ID
	}
	must(e.CreateVolume(cow.VolumeSpec{ID: "v", Base: parent}))
	return must(e.OpenVolume("v"))
}

func benchPlain(b *testing.B, fill bool) disk {
	f := must(os.CreateTemp(b.TempDir(), "plain"))
	b.Cleanup(func() { f.Close() })
	if err := f.Truncate(benchSize); err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 1<<20)
	for off := int64(0); fill && off < benchSize; off += 1 << 20 {
		must(f.WriteAt(p, off))
	}
	return plain{f}
}

func BenchmarkRead4K(b *testing.B) {
	for _, depth := range []int{0, 1, 20} {
		b.Run(fmt.Sprintf("layers=%d", depth), func(b *testing.B) {
			var d disk
			if depth == 0 {
				d = benchPlain(b, true)
			} else {
				d = benchClone(b, depth)
			}
			p := make([]byte, 4096)
			for off := int64(0); off < benchSize; off += 4096 {
				must(d.ReadAt(p, off))
			}
			b.ReportAllocs()
			b.SetBytes(4096)
			b.ResetTimer()
			for range b.N {
				must(d.ReadAt(p, rand.Int64N(benchSize/4096)*4096))
			}
		})
	}
}

// BenchmarkWrite4K writes to random blocks, each once until all have been.
func BenchmarkWrite4K(b *testing.B) {
	for _, every := range []int{1, 32} {
		for _, kind := range []string{"plain", "touch", "present", "plainfull"} {
			b.Run(fmt.Sprintf("flush=%d/%s", every, kind), func(b *testing.B) {
				var d disk
				switch kind {
				case "plain":
					d = benchPlain(b, false)
				case "plainfull":
					d = benchPlain(b, true)
				default:
					e := benchEngine(b)
					must(e.CreateVolume(cow.VolumeSpec{ID: "v", Size: benchSize}))
					d = must(e.OpenVolume("v"))
				}
				if kind == "present" {
					for off := int64(0); off < benchSize; off += 1 << 20 {
						must(d.WriteAt(make([]byte, 1<<20), off))
					}
				}
				if err := d.Flush(); err != nil {
					b.Fatal(err)
				}
				order := rand.New(rand.NewPCG(1, 1)).Perm(benchSize / 4096)
				p := make([]byte, 4096)
				b.ReportAllocs()
				b.SetBytes(4096)
				b.ResetTimer()
				for i := range b.N {
					must(d.WriteAt(p, int64(order[i%len(order)])*4096))
					if i%every == every-1 {
						if err := d.Flush(); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func BenchmarkClone(b *testing.B) {
	e := benchEngine(b)
	for i := range b.N {
		must(e.CreateVolume(cow.VolumeSpec{ID: fmt.Sprint("v", i), Size: 64 << 30}))
	}
}
