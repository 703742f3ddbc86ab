package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

// smallDisk is a folder on a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	needs.Root(t, "mount a small file system")
	dir, err := os.MkdirTemp("", "disk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves at most left bytes free and returns the file that does so.
func fillDisk(t *testing.T, dir string, left int64) string {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		free, err := freeBytes(dir)
		if err != nil {
			t.Fatal(err)
		}
		if free <= left {
			return name
		}
		if _, err := f.Write(buf[:min(free-left, int64(len(buf)))]); err != nil {
			if isNoSpace(err) {
				return name
			}
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in 15 s: %s", what)
}

// TestFullDisk: the disk fills up under a running store; it gives up its
// reserve, says so, goes on writing, and takes the reserve back.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "160m")
	log := &logBuffer{}
	o := Options{
		Dir: filepath.Join(dir, "s"), ReserveBytes: 16 << 20, LowBytes: 8 << 20, Poll: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	s := openStore(t, o)
	c := Of[thing](s, "things")
	put(t, c, "a", 1)
	time.Sleep(300 * time.Millisecond) // etcd's log has its next file by now, as it has in life
	reserve := filepath.Join(o.Dir, "reserve")
	if st, err := os.Stat(reserve); err != nil || st.Size() != 16<<20 || st.Sys().(*syscall.Stat_t).Blocks*512 < 16<<20 {
		t.Fatalf("reserve: %v, %v", st, err)
	}
	if err := s.Healthy(t.Context()); err != nil {
		t.Errorf("before: %v", err)
	}

	ballast := fillDisk(t, dir, 0)
	eventually(t, "reserve given up", func() bool { _, err := os.Stat(reserve); return os.IsNotExist(err) })
	err := s.Healthy(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nearly full") || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("full: %v", err)
	}
	for i := range 200 {
		put(t, c, "b", i)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "make room now") {
		t.Errorf("logged %d errors:\n%s", n, log)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "healthy again", func() bool { return s.Healthy(t.Context()) == nil })
	if _, err := os.Stat(reserve); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "has its reserve again") {
		t.Errorf("log:\n%s", log)
	}
}

// TestOpenOnFullDisk: the disk filled up too fast, etcd ended the process, and
// the restart gives the reserve up before etcd starts.
func TestOpenOnFullDisk(t *testing.T) {
	dir := smallDisk(t, "160m")
	log := &logBuffer{}
	o := Options{Dir: filepath.Join(dir, "s"), ReserveBytes: 24 << 20, LowBytes: 8 << 20, Log: slog.New(slog.NewTextHandler(log, nil))}
	s := openStore(t, o)
	put(t, Of[thing](s, "things"), "a", 1)
	time.Sleep(300 * time.Millisecond)
	closeStore(t, s)
	fillDisk(t, dir, 0)
	s = openStore(t, o)
	put(t, Of[thing](s, "things"), "a", 2)
	if err := s.Healthy(t.Context()); err == nil {
		t.Error("healthy on a full disk")
	}
}

func TestReserveSteps(t *testing.T) {
	dir := t.TempDir()
	var free int64
	log := &logBuffer{}
	r := newReserve(Options{
		Dir: dir, ReserveBytes: 4 << 20, LowBytes: 1 << 20,
		free: func(string) (int64, error) {
			if free < 0 {
				return 0, io.ErrUnexpectedEOF
			}
			return free, nil
		},
	}, slog.New(slog.NewTextHandler(log, nil)))
	const mib = 1 << 20
	for i, tt := range []struct {
		free  int64
		held  bool
		lines int // in the log so far
	}{
		{2 * mib, false, 1}, // no room for it at first
		{5 * mib, false, 1}, // nor without the gap
		{6 * mib, true, 2},
		{1 * mib, true, 2}, // the file is there, and the threshold not passed
		{1*mib - 1, false, 3},
		{0, false, 3},
		{5 * mib, false, 3},
		{6 * mib, true, 4},
		{-1, false, 5}, // cannot look
		{6 * mib, true, 6},
	} {
		free = tt.free
		r.check()
		_, err := os.Stat(r.path)
		if got := err == nil && r.trouble() == nil; got != tt.held {
			t.Errorf("step %d, %d free: held %v (%v)", i, tt.free, got, r.trouble())
		}
		if n := strings.Count(log.String(), "\n"); n != tt.lines {
			t.Errorf("step %d: %d lines logged, want %d:\n%s", i, n, tt.lines, log)
		}
	}
	// A file of holes is no reserve.
	if err := errors.Join(os.Truncate(r.path, 0), os.Truncate(r.path, 4*mib)); err != nil {
		t.Fatal(err)
	}
	free = 100 * mib
	if r.onDisk() {
		t.Error("a hole counts as reserve")
	}
	r.check()
	if !r.onDisk() {
		t.Error("not made again")
	}
}

// TestQuota: history alone never fills the store for good, too many records
// do, with a clear error, and removing them cures it.
func TestQuota(t *testing.T) {
	o, log := testOptions(t)
	o.QuotaBytes, o.Poll = 4<<20, 20*time.Millisecond
	s := openStore(t, o)
	c := Of[[]byte](s, "blobs")
	write := func(key string) error {
		return s.Update(t.Context(), func(tx *Tx) error { return c.In(tx).Put(key, make([]byte, 64<<10)) })
	}
	var err error
	for i := 0; i < 200 && err == nil; i++ {
		err = write("same")
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after 200 × 64 KiB: %v", err)
	}
	eventually(t, "compacted", func() bool { return write("same") == nil })
	if !strings.Contains(log.String(), "has been compacted") {
		t.Errorf("log:\n%s", log)
	}
}

// TestHistoryIsForgotten: whoever writes the same records again and again never
// fills the store.
func TestHistoryIsForgotten(t *testing.T) {
	o, log := testOptions(t)
	o.QuotaBytes, o.Poll = 64<<20, 20*time.Millisecond
	s := openStore(t, o)
	c := Of[[]byte](s, "blobs")
	const writers, each = 8, 1200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				if err := s.Update(t.Context(), func(tx *Tx) error { return c.In(tx).Put(fmt.Sprint(w), make([]byte, 8<<10)) }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if strings.Contains(log.String(), "full of history") {
		t.Errorf("log:\n%s", log)
	}
	t.Logf("%d MiB in use after %d MiB of writes", s.etcd.Server.Backend().SizeInUse()>>20, writers*each*8*4/3>>10)
}
