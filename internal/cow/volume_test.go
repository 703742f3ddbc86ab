package cow_test

import (
	"context"
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
				if err := d.(*cow.Volume).Close(); err != nil {
					t.Fatal(err)
				}
				return openVolume(t, e, "v")
			})
		})
	}
}
