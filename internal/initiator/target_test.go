package initiator_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/scsi"
)

const (
	targetName    = "iqn.2026-01.dev.bootes:pc1"
	initiatorName = "iqn.2026-01.dev.bootes:init:pc1"
	user          = "pc1"
	secret        = "abcdefghijklmnop"
	reverseUser   = "target"
	reverseSecret = "another secret 22"
)

// memory is a disk in memory. What is read from it can be held up.
type memory struct {
	mu   sync.RWMutex
	data []byte
	gate chan struct{} // if set, a WRITE waits until it is closed
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := block.CheckRange(m.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	return copy(p, m.data[off:]), nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := block.CheckRange(m.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	return copy(m.data[off:], p), nil
}

func (m *memory) Unmap(off, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.data[off : off+n])
	return nil
}

// bytes is a copy of what the disk holds.
func (m *memory) bytes(off int64, n int) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return append([]byte(nil), m.data[off:off+int64(n)]...)
}

func (m *memory) Flush() error { return nil }
func (m *memory) Size() int64  { return int64(len(m.data)) }

// authority knows one target.
type authority struct{ disk block.Device }

func (a authority) Account(_ context.Context, _ iscsi.Login, name string) (string, bool) {
	return secret, name == user
}

func (a authority) Admit(_ context.Context, req iscsi.Login, name string) (*iscsi.Grant, error) {
	if req.Target != targetName {
		return nil, &iscsi.Refusal{Status: iscsi.StatusNotFound, Reason: "no such target"}
	}
	open := func(context.Context) (iscsi.Units, error) {
		disk := scsi.NewDisk(a.disk, scsi.Identity{Vendor: "BOOTES"})
		return iscsi.Units{0: {Disk: disk}}, nil
	}
	return &iscsi.Grant{Owner: name, Open: open}, nil
}

func (a authority) Visible(context.Context, iscsi.Login, string) []string {
	return []string{targetName, targetName + "-2"}
}

func (a authority) Refused(iscsi.Login, string, string) {}

func (a authority) Prove(context.Context, iscsi.Login, string) (string, string, bool) {
	return reverseUser, reverseSecret, true
}

// serve serves a disk over loopback.
func serve(t testing.TB, disk block.Device, o iscsi.Options) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Authority, o.RefusalDelay, o.LogoutTime = authority{disk}, time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- iscsi.New(o).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func newMemory(size int) *memory { return &memory{data: make([]byte, size)} }

// options are those of a Linux initiator.
func options(change func(*initiator.Options)) initiator.Options {
	o := initiator.Options{Initiator: initiatorName, Target: targetName, User: user, Secret: secret, ImmediateData: true}
	if change != nil {
		change(&o)
	}
	return o
}

// limit bounds one test.
func limit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, addr string, o initiator.Options) *initiator.Session {
	t.Helper()
	s, err := initiator.Dial(limit(t), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// start logs in to a disk in memory.
func start(t testing.TB, change func(*initiator.Options)) (*initiator.Disk, *memory) {
	t.Helper()
	m := newMemory(16 << 20)
	return startOn(t, m, change), m
}

func startOn(t testing.TB, m *memory, change func(*initiator.Options)) *initiator.Disk {
	t.Helper()
	return open(t, dial(t, serve(t, m, iscsi.Options{}), options(change)), 0)
}

func open(t testing.TB, s *initiator.Session, lun uint8) *initiator.Disk {
	t.Helper()
	d, err := s.Disk(limit(t), lun)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
