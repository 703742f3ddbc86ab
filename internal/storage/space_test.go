package storage

import (
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// The sum of what is each one's own and of what is shared, once, is all there
// is; and own is what a removal frees.
func TestBill(t *testing.T) {
	// debian:12 ← debian:13 ← (b1 ← b2: pc2 with a snapshot); pc1 on debian:12.
	layers := []cow.LayerInfo{
		{ID: "l12", Stored: 1000, Kept: true},
		{ID: "l13", Parent: "l12", Stored: 100, Kept: true},
		{ID: "b1", Parent: "l13", Stored: 10},
		{ID: "b2", Parent: "b1", Stored: 20},
	}
	spec := func(id, base string) cow.VolumeSpec { return cow.VolumeSpec{ID: id, Base: base, Size: 5000} }
	volumes := []cow.VolumeInfo{
		{VolumeSpec: spec("pc1", "l12"), Stored: 1},
		{VolumeSpec: spec("pc2", "b2"), Stored: 2, Snapshots: []cow.SnapshotInfo{{Layer: "b1"}}},
		{VolumeSpec: spec("pc3", "b1"), Stored: 3},
		{VolumeSpec: spec("blank", ""), Stored: 4},
	}
	image := func(name, layer string) inventory.Image {
		return inventory.Image{Name: name, Tag: "1", Layer: layer, Size: 4000}
	}
	images := []inventory.Image{image("debian12", "l12"), image("debian13", "l13")}
	b := newBill(images, layers, volumes)
	if b.total != 1140 {
		t.Errorf("total %d", b.total)
	}
	for _, tt := range []struct {
		what string
		got  Share
		want Share
	}{
		{"debian12", b.image(images[0]), Share{4000, 0, 1000}},
		{"debian13", b.image(images[1]), Share{4000, 0, 1100}},
		{"pc1", b.volume("pc1"), Share{5000, 1, 1000}},
		{"pc2", b.volume("pc2"), Share{5000, 22, 1110}},
		{"pc3", b.volume("pc3"), Share{5000, 3, 1110}},
		{"blank", b.volume("blank"), Share{5000, 4, 0}},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.what, tt.got, tt.want)
		}
	}

	alone := newBill(images, layers, volumes[:2])
	if got, want := alone.volume("pc2"), (Share{5000, 32, 1100}); got != want {
		t.Errorf("pc2 without pc3: %+v, want %+v", got, want)
	}
	twins := newBill(append(images, image("twin", "l13")), layers[:2], nil)
	if got, want := twins.image(images[1]), (Share{4000, 0, 1100}); got != want {
		t.Errorf("a twin: %+v, want %+v", got, want)
	}
	single := newBill(images, layers[:2], nil)
	if got, want := single.image(images[1]), (Share{4000, 100, 1000}); got != want {
		t.Errorf("no twin: %+v, want %+v", got, want)
	}
}
