package vfs

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func randomFile(t *testing.T, n int) (File, []byte) {
	t.Helper()
	f, err := OS().OpenFile(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	if n, err := f.WriteAt(p, 512); n != len(p) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(p), err)
	}
	return f, p
}

// TestLongWrite: what is written in several pieces is whole, and an error says
// how far it came.
func TestLongWrite(t *testing.T) {
	for _, n := range []int{0, 1, writeMax, writeMax + 1, 3*writeMax + 512} {
		f, want := randomFile(t, n)
		f.WriteOut(0, int64(n))
		got := make([]byte, n)
		if _, err := f.ReadAt(got, 512); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes differ, %v", n, err)
		}
	}
	f, p := randomFile(t, 2*writeMax)
	f.Close()
	if n, err := f.WriteAt(p, 0); n != 0 || err == nil {
		t.Errorf("wrote %d bytes to a closed file, %v", n, err)
	}
}
