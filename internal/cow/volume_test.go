package cow_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/block/blocktest"
	"bootes.dev/internal/cow"
)

func open(t *testing.T, dir string, o cow.Options) *cow.Engine {
	t.Helper()
	e, err := cow.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

func openVolume(t *testing.T, e *cow.Engine, id string) *cow.Volume {
	t.Helper()
	v, err := e.OpenVolume(id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newVolume(t *testing.T, e *cow.Engine, s cow.VolumeSpec) *cow.Volume {
	t.Helper()
	if s.ID == "" {
		s.ID = "v"
	}
	if _, err := e.CreateVolume(s); err != nil {
		t.Fatal(err)
	}
	return openVolume(t, e, s.ID)
}

// newLayer seals a layer with the given content.
func newLayer(t *testing.T, e *cow.Engine, parent string, size int64, write func(b *cow.LayerBuilder)) cow.LayerInfo {
	t.Helper()
	b, err := e.NewLayerOn(parent, size)
	if err != nil {
		t.Fatal(err)
	}
	if write != nil {
		write(b)
	}
	info, err := b.Seal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestVolumeContract(t *testing.T) {
	specs := map[string]func(e *cow.Engine, size int64) cow.VolumeSpec{
		"blank":    func(*cow.Engine, int64) cow.VolumeSpec { return cow.VolumeSpec{} },
		"volatile": func(*cow.Engine, int64) cow.VolumeSpec { return cow.VolumeSpec{Volatile: true} },
		"clone": func(e *cow.Engine, size int64) cow.VolumeSpec {
			return cow.VolumeSpec{Base: newLayer(t, e, "", size, nil).ID}
		},
		"grown": func(e *cow.Engine, size int64) cow.VolumeSpec {
			return cow.VolumeSpec{Base: newLayer(t, e, "", 512*9, nil).ID}
		},
		"deep": func(e *cow.Engine, size int64) cow.VolumeSpec { // 20 layers that come to nothing
			id := ""
			for i := range int64(20) {
				id = newLayer(t, e, id, size, func(b *cow.LayerBuilder) {
					if i > 0 {
						ok(t, b.Unmap((i-1)<<18, 1<<18))
					}
					if i < 19 {
						must(b.WriteAt(bytes.Repeat([]byte{1}, 1<<18), i<<18))
					}
				}).ID
			}
			return cow.VolumeSpec{Base: id}
		},
		"cut": func(e *cow.Engine, size int64) cow.VolumeSpec { // below a clip
			id := newLayer(t, e, "", 2*size, func(b *cow.LayerBuilder) {
				must(b.WriteAt(bytes.Repeat([]byte{1}, int(size)), size&^4095))
			}).ID
			must(e.CreateVolume(cow.VolumeSpec{ID: "w", Base: id, Size: size &^ 4095}))
			return cow.VolumeSpec{Base: must(e.Snapshot("w", "s")).Layer}
		},
		"masked": func(e *cow.Engine, size int64) cow.VolumeSpec { // zeros over data, in a chain
			full := newLayer(t, e, "", size, func(b *cow.LayerBuilder) {
				p := make([]byte, size)
				blocktest.Pattern(p, 0, 99)
				if _, err := b.WriteAt(p, 0); err != nil {
					t.Fatal(err)
				}
			})
			return cow.VolumeSpec{Base: newLayer(t, e, full.ID, size, func(b *cow.LayerBuilder) {
				if _, err := b.WriteAt(make([]byte, size), 0); err != nil {
					t.Fatal(err)
				}
			}).ID}
		},
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			var e *cow.Engine
			blocktest.Run(t, func(t *testing.T, size int64) block.Device {
				e = open(t, t.TempDir(), cow.Options{})
				s := spec(e, size)
				s.Size = size
				return newVolume(t, e, s)
			}, func(t *testing.T, d block.Device) block.Device {
				ok(t, d.(*cow.Volume).Close())
				return openVolume(t, e, "v")
			})
		})
	}
}

// churned is a volume whose ground moves all the time: snapshots are made and
// removed, layers merged and flattened.
type churned struct {
	*cow.Volume
	t *testing.T
	e *cow.Engine
	*movement
}

type movement struct {
	writes atomic.Int64

	mu        sync.Mutex
	snapshots []string // those that are there, oldest first
}

func (c churned) WriteAt(p []byte, off int64) (int, error) {
	if n := c.writes.Add(1); n%97 == 0 {
		c.move(n)
	}
	return c.Volume.WriteAt(p, off)
}

func (c churned) move(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	must(c.e.Snapshot("v", fmt.Sprint(n)))
	c.snapshots = append(c.snapshots, fmt.Sprint(n))
	if n%3 == 0 {
		ok(c.t, c.e.RemoveSnapshot("v", c.snapshots[0]))
		c.snapshots = c.snapshots[1:]
	}
	if n%11 == 0 {
		ok(c.t, c.e.FlattenVolume(c.t.Context(), "v", nil))
	}
}

func TestVolumeContractWhileTheGroundMoves(t *testing.T) {
	var e *cow.Engine
	blocktest.Run(t, func(t *testing.T, size int64) block.Device {
		e = open(t, t.TempDir(), cow.Options{MergeDepth: 3, FlattenDepth: 6})
		base := newLayer(t, e, "", size, nil)
		return churned{newVolume(t, e, cow.VolumeSpec{Base: base.ID}), t, e, new(movement)}
	}, func(t *testing.T, d block.Device) block.Device {
		c := d.(churned)
		ok(t, c.Volume.Close())
		c.Volume = openVolume(t, e, "v")
		return c
	})
}
