package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

type thing struct {
	N int
}

// logBuffer is a log that tests read while the store writes it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testOptions(t *testing.T) (Options, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	// Not t.TempDir: its path holds the test's name and may not fit a socket's.
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return Options{
		Dir: filepath.Join(dir, "s"), ReserveBytes: 1 << 20, LowBytes: 1 << 20,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

func openStore(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

var closed sync.Map

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if _, done := closed.LoadOrStore(s, true); done {
		return
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func put(t *testing.T, c *Collection[thing], key string, n int) {
	t.Helper()
	err := c.s.Update(t.Context(), func(tx *Tx) error { return c.In(tx).Put(key, thing{n}) })
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, c *Collection[thing], key string) {
	t.Helper()
	err := c.s.Update(t.Context(), func(tx *Tx) error { c.In(tx).Delete(key); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsSurviveReopen(t *testing.T) {
	o, log := testOptions(t)
	s := openStore(t, o)
	put(t, Of[thing](s, "things"), "a", 7)
	closeStore(t, s)

	start := time.Now()
	s = openStore(t, o)
	t.Logf("reopened in %v", time.Since(start))
	r, err := Of[thing](s, "things").Get(t.Context(), "a")
	if err != nil || r.Value.N != 7 || r.Key != "a" || r.Revision == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := s.Healthy(t.Context()); err != nil {
		t.Errorf("healthy: %v", err)
	}
	if log.String() != "" {
		t.Errorf("a clean start logged:\n%s", log)
	}
}

func TestMovedFolderOpens(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	put(t, Of[thing](s, "things"), "a", 7)
	closeStore(t, s)
	moved := o.Dir + "-moved"
	if err := os.Rename(o.Dir, moved); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Socket = moved, ""
	s = openStore(t, o)
	if _, err := Of[thing](s, "things").Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestGetMissing(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	_, err := Of[thing](s, "things").Get(t.Context(), "ghost")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"ghost"`) {
		t.Errorf("got %v", err)
	}
}

func TestListIsSortedAndOwn(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c, other := Of[thing](s, "things"), Of[thing](s, "things2")
	for i, k := range []string{"b", "c", "a"} {
		put(t, c, k, i)
	}
	put(t, other, "x", 1)
	recs, err := c.List(t.Context())
	if err != nil || keys(recs) != "a b c" {
		t.Errorf("list: %q, %v", keys(recs), err)
	}
	recs, err = c.ListFrom(t.Context(), "b", 10)
	if err != nil || keys(recs) != "b c" {
		t.Errorf("from b: %q, %v", keys(recs), err)
	}
	recs, err = c.ListFrom(t.Context(), "", 2)
	if err != nil || keys(recs) != "a b" {
		t.Errorf("two: %q, %v", keys(recs), err)
	}
	if n, err := c.Count(t.Context()); err != nil || n != 3 {
		t.Errorf("counted %d, %v", n, err)
	}
	if n, err := Of[thing](s, "thing").Count(t.Context()); err != nil || n != 0 {
		t.Errorf("of none, counted %d, %v", n, err)
	}
}

func keys(recs []Record[thing]) string {
	var ks []string
	for _, r := range recs {
		ks = append(ks, r.Key)
	}
	return strings.Join(ks, " ")
}

func TestFolderInUse(t *testing.T) {
	o, _ := testOptions(t)
	openStore(t, o)
	start := time.Now()
	_, err := Open(t.Context(), o)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v to say so", d)
	}
	// The first one's socket must still be there.
	c, err := net.Dial("unix", filepath.Join(o.Dir, "etcd", "client.sock"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestNothingListensOnTheNetwork(t *testing.T) {
	before := listening(t)
	o, _ := testOptions(t)
	openStore(t, o)
	if after := listening(t); after != before {
		t.Errorf("listening sockets of this process: %d before, %d after", before, after)
	}
	st, err := os.Stat(filepath.Join(o.Dir, "etcd"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v", st.Mode(), err)
	}
}

// listening counts the TCP sockets in state LISTEN that this process holds.
func listening(t *testing.T) int {
	t.Helper()
	inodes := map[string]bool{}
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, _ := os.ReadFile(name)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if link, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && inodes[link] {
			n++
		}
	}
	return n
}

func TestSocketPathTooLong(t *testing.T) {
	o, _ := testOptions(t)
	o.Socket = "/tmp/" + strings.Repeat("x", 120)
	_, err := Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("got %v", err)
	}
}

func TestOpenCanceled(t *testing.T) {
	o, _ := testOptions(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, o); err == nil {
		t.Error("opened with an ended context")
	}
	openStore(t, o) // and nothing is left locked
}
