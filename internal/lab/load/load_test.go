package load

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bootes.dev/internal/block"
	"bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is in memory. It can forget what is written, and fail.
type disk struct {
	mu     sync.RWMutex
	data   []byte
	forget bool
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if err := block.CheckRange(d.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	return copy(p, d.data[off:]), nil
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.forget {
		return len(p), nil
	}
	return copy(d.data[off:], p), nil
}

func (d *disk) Unmap(int64, int64) error { return nil }
func (d *disk) Flush() error             { return nil }
func (d *disk) Size() int64              { return int64(len(d.data)) }

// authority lets user in to any target; all are the same disk.
type authority struct{ disk *disk }

const secret = "0123456789abcdef"

func (a authority) Account(context.Context, iscsi.Login, string) (string, bool) { return secret, true }

func (a authority) Admit(_ context.Context, req iscsi.Login, _ string) (*iscsi.Grant, error) {
	return &iscsi.Grant{Owner: req.Target, Open: func(context.Context) (iscsi.Units, error) {
		return iscsi.Units{0: {Disk: scsi.NewDisk(a.disk, scsi.Identity{Vendor: "BOOTES"})}}, nil
	}}, nil
}

func (a authority) Visible(context.Context, iscsi.Login, string) []string { return nil }
func (a authority) Refused(iscsi.Login, string, string)                   {}

// listen runs serve on a listener until the test ends.
func listen(t *testing.T, serve func(context.Context, net.Listener) error) Endpoint {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return Endpoint{Portal: ln.Addr().String(), Initiator: "iqn.2026-01.dev.bootes:load", Target: "iqn.2026-01.dev.bootes:disk", User: "u", Secret: secret}
}

func serve(t *testing.T, d *disk) Endpoint {
	t.Helper()
	return listen(t, iscsi.New(iscsi.Options{Authority: authority{d}, LogoutTime: time.Millisecond}).Serve)
}

// enough runs a job until each of its streams has done some I/Os: other programs may
// have left it next to nothing of a short time.
func enough(t *testing.T, j Job) Report {
	t.Helper()
	for ; ; j.Seconds *= 4 {
		r, err := Run(limit(t), j)
		if err != nil {
			t.Fatal(err)
		}
		few := func(f Figures) bool { return f.Ops < 10 }
		if !slices.ContainsFunc(r.Streams, few) {
			return r
		}
		if j.Seconds > 2 {
			t.Fatalf("next to nothing in %v s: %+v", j.Seconds, r)
		}
	}
}

func stamped(size int) *disk {
	d := &disk{data: make([]byte, size)}
	initiator.Stamp(d.data, 0, 0)
	return d
}

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStreams(t *testing.T) {
	e := serve(t, stamped(8<<20))
	r := enough(t, Job{Seconds: 0.2, Server: os.Getpid(), Streams: []Stream{
		{Endpoint: e, Size: 4096, Depth: 8, Random: true, Shift: 512, Span: 4 << 20, Stamped: true},
		{Endpoint: e, Size: 64 << 10, Depth: 2, From: 3 << 20, Span: 4 << 20, Stamped: true},
	}})
	for i, size := range []int64{4096, 64 << 10} {
		f := r.Streams[i]
		if f.Bytes != f.Ops*size || f.P50 <= 0 || f.P50 > f.P99 || f.P99 > f.Max {
			t.Errorf("stream %d: %+v", i, f)
		}
	}
	if r.Seconds < 0.2 || r.Client <= 0 || r.Server <= 0 {
		t.Errorf("%+v", r)
	}
	enough(t, Job{Seconds: 0.1, Streams: []Stream{{Endpoint: e, Size: 4096, Depth: 8, Random: true, Write: true, From: 7 << 20}}})
}

// A disk that holds something else than it should is found out.
func TestStreamsVerify(t *testing.T) {
	forgetful := stamped(1 << 20)
	forgetful.forget = true
	for want, s := range map[string]Stream{
		"at ":            {Endpoint: serve(t, &disk{data: make([]byte, 1<<20)}), Size: 4096, Depth: 2, Stamped: true},
		"read back 4096": {Endpoint: serve(t, forgetful), Size: 4096, Depth: 2, Write: true},
		"1048576 bytes of a disk have no room for I/Os of 2097152": {Endpoint: serve(t, forgetful), Size: 2 << 20, Depth: 2},
		"0 bytes of a disk have no room for I/Os of 4096":          {Endpoint: serve(t, forgetful), Size: 4096, Depth: 2, From: 2 << 20},
	} {
		_, err := Run(limit(t), Job{Seconds: 0.05, Streams: []Stream{s}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestReplay(t *testing.T) {
	reads, err := BootReads()
	if err != nil || len(reads) != 2582 {
		t.Fatalf("%d reads, %v", len(reads), err)
	}
	var end, all int64
	for _, r := range reads {
		end, all = max(end, r.Off+int64(r.Len)), all+int64(r.Len)
	}
	if end > 4<<30 || all>>20 != 76 {
		t.Errorf("%d bytes up to %d", all, end)
	}
	// A hole of the right size: what is read of it is not looked at.
	e := listen(t, Floor)
	e.User = ""
	r, err := Run(limit(t), Job{Replay: []Endpoint{e, e, e}})
	if err == nil && (r.Replay.Ops != 3*2582 || r.Replay.Bytes != 3*all || r.Replay.P99 <= 0) {
		t.Errorf("%+v", r)
	}
	if err != nil {
		t.Error(err)
	}
	bad := serve(t, stamped(1<<20))
	if _, err := Run(limit(t), Job{Replay: []Endpoint{bad}}); err == nil || !strings.Contains(err.Error(), "replay a boot: move ") {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestFloor(t *testing.T) {
	e := listen(t, Floor)
	e.User = ""
	enough(t, Job{Seconds: 0.1, Streams: []Stream{
		{Endpoint: e, Size: 4096, Depth: 8, Random: true, Forget: true},
		{Endpoint: e, Size: 4096, Depth: 8, Write: true, Forget: true, Span: 1 << 20},
	}})
}

func TestIdle(t *testing.T) {
	r, err := Run(limit(t), Job{Server: os.Getpid(), Idle: &Idle{Endpoint: serve(t, stamped(1<<20)), Sessions: 20}})
	if err != nil || r.Idle.Login <= 0 || r.Idle.Before.Resident <= 0 || r.Idle.With.Resident <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	e := serve(t, stamped(1<<20))
	e.Secret = "wrong"
	_, err = Run(limit(t), Job{Server: os.Getpid(), Idle: &Idle{Endpoint: e, Sessions: 1}})
	var refused *initiator.LoginError
	if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "log in beside 0 idle sessions: ") {
		t.Error(err)
	}
}
