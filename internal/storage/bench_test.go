package storage

import (
	"fmt"
	"testing"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// thousand is a site of 1,000 machines, each with its persistent volume.
func thousand(b *testing.B) *site {
	b.Helper()
	x := newSite(b)
	img := x.importImage("debian:12", random(diskSize, 1))
	for i := range 1000 {
		name := fmt.Sprintf("pc%d", i)
		_, err := x.inv.AddMachine(b.Context(), inventory.Machine{Name: name, MACs: []string{fmt.Sprintf("52:54:00:00:%02x:%02x", i>>8, i&255)}, Image: "debian:12"})
		if err != nil {
			b.Fatal(err)
		}
		v := inventory.Volume{ID: name + "-1", Machine: name, Ref: "debian:12", Mode: inventory.Persistent}
		standOn(&v, img)
		if _, err := x.eng.CreateVolume(cow.VolumeSpec{ID: v.ID, Base: img.Layer}); err != nil {
			b.Fatal(err)
		}
		if _, err := x.inv.AddVolume(b.Context(), v); err != nil {
			b.Fatal(err)
		}
	}
	return x
}

// BenchmarkReconcile is what a start of the server costs with 1,000 volumes,
// beyond opening the engine and the store.
func BenchmarkReconcile(b *testing.B) {
	x := thousand(b)
	for b.Loop() {
		if found, err := x.Reconcile(b.Context()); err != nil || len(found) != 0 {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkSpace is what `bootes df` and each scrape of the metrics cost with
// 1,000 volumes that have been written to.
func BenchmarkSpace(b *testing.B) {
	x := thousand(b)
	volumes, err := x.inv.Volumes(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range volumes {
		x.write(v.ID, 1, 0)
	}
	for b.Loop() {
		if o, err := x.Space(b.Context()); err != nil || len(o.Volumes) != 1000 || o.Volumes[999].Used == 0 {
			b.Fatal(err)
		}
	}
}
