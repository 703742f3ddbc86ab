package vfs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
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

// TestUnlock: the lock goes with Close, also while somebody has a copy of its
// descriptor.
func TestUnlock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := OS().Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	held := &LockedError{}
	if _, err := OS().Lock(name); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("locked twice: %v", err)
	}
	fd, err := unix.Dup(int(first.(lock).Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := OS().Lock(name)
	if err != nil {
		t.Fatalf("still locked: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadVec(t *testing.T) {
	f, want := randomFile(t, 1<<20)
	got := make([]byte, 1<<20)
	var bufs [][]byte
	for at := 0; at < len(got); at += 2048 {
		bufs = append(bufs, got[at:at+1000], nil, got[at+1000:at+2048])
	}
	bufs = bufs[:VecMax]
	n := 0
	for _, p := range bufs {
		n += len(p)
	}
	if err := f.ReadVec(bufs, 512); err != nil || !bytes.Equal(got[:n], want[:n]) || !bytes.Equal(got[n:], make([]byte, len(got)-n)) {
		t.Errorf("what was read differs, %v", err)
	}
	if err := f.ReadVec(nil, 0); err != nil {
		t.Error(err)
	}
	if err := f.ReadVec(bufs, 1<<20); !errors.Is(err, io.EOF) {
		t.Errorf("beyond the end: %v", err)
	}
	f.Close()
	if err := f.ReadVec(bufs, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestCached(t *testing.T) {
	f, _ := randomFile(t, 3*4096)
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	n := f.Cached(0, 1<<20)
	if n != 4*4096 && n != -1 {
		t.Errorf("%d bytes after writing to four pages", n)
	}
	f.Close()
	if n := f.Cached(0, 1<<20); n != -1 {
		t.Errorf("%d bytes of a closed file", n)
	}
}
