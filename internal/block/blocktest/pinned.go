package blocktest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"bootes.dev/internal/block"
	"golang.org/x/sys/unix"
)

// kept is what was pinned, and what it must be.
type kept struct {
	block.Pinned
	off  int64
	want []byte
}

func (k *kept) check(t *testing.T, when string) {
	t.Helper()
	got := make([]byte, len(k.want))
	err := k.File.Control(func(fd uintptr) {
		if n, err := unix.Pread(int(fd), got, k.Off); err != nil || n != len(got) {
			t.Errorf("%s: read %d of %d pinned bytes at %d: %v", when, n, len(got), k.off, err)
		}
	})
	if err != nil || !bytes.Equal(got, k.want) {
		t.Errorf("%s: what is pinned at %d is not what is there, %v", when, k.off, err)
	}
}

// pinSome pins random ranges of a device that can, and refuses those outside.
func (d *device) pinSome(t *testing.T) (list []kept) {
	t.Helper()
	p, ok := d.Device.(block.Pinner)
	if !ok {
		return nil
	}
	for _, c := range append(d.outside(), access{}) {
		if got, ok := p.Pin(c.off, c.n); ok {
			t.Errorf("Pin of %d bytes at %d: %+v", c.n, c.off, got)
			got.Held.Release()
		}
	}
	rng := rand.New(rand.NewPCG(5, uint64(d.Size())))
	for range 400 {
		off, n := d.draw(rng)
		if got, ok := p.Pin(off, n); ok {
			k := kept{got, off, bytes.Clone(d.model[off : off+n])}
			k.check(t, "at once")
			list = append(list, k)
		}
	}
	return list
}

// testPinned changes everything under what is pinned.
func testPinned(t *testing.T, d *device) {
	list := d.pinSome(t)
	full := make([]byte, d.Size())
	Pattern(full, 0, 99)
	d.write(t, full, 0)
	d.unmap(t, 0, d.Size()/2/block.SectorSize*block.SectorSize)
	d.flush(t)
	for _, k := range list {
		k.check(t, "after changes")
		k.Held.Release()
	}
	for _, k := range d.pinSome(t) {
		k.Held.Release()
	}
}
