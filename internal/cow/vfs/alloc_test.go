//go:build !race

package vfs

import "testing"

// The race detector allocates on its own.
func TestNoAllocation(t *testing.T) {
	f, _ := randomFile(t, 3*4096)
	bufs := [][]byte{make([]byte, 512), make([]byte, 4096)}
	if a := testing.AllocsPerRun(10, func() { _ = f.ReadVec(bufs, 512) }); a != 0 {
		t.Errorf("ReadVec allocates %v times", a)
	}
	if a := testing.AllocsPerRun(10, func() { f.Cached(0, 1<<20) }); a != 0 {
		t.Errorf("Cached allocates %v times", a)
	}
}
