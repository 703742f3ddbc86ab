package cow

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

// TestHashLater: the digest comes from the background, and is what Seal would
// have made; of a layer that is removed meanwhile none comes, and no complaint.
func TestHashLater(t *testing.T) {
	var log bytes.Buffer
	told := make(chan LayerInfo, 2)
	e, err := Open(t.TempDir(), Options{
		Manual: true, Log: slog.New(slog.NewTextHandler(&log, nil)), Hashed: func(l LayerInfo) { told <- l },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p := bytes.Repeat([]byte{7}, 3<<20)
	seal := func(later bool, ctx context.Context) (LayerInfo, error) {
		b, err := e.NewLayer(int64(len(p)))
		if err != nil {
			t.Fatal(err)
		}
		b.HashLater(later)
		if _, err := b.WriteAt(p, 0); err != nil {
			t.Fatal(err)
		}
		l, err := b.Seal(ctx)
		if err != nil && b.Abort() != nil {
			t.Error("cannot be thrown away")
		}
		return l, err
	}
	now, err := seal(false, t.Context())
	later, err2 := seal(true, t.Context())
	if err != nil || err2 != nil || now.Digest == "" || later.Digest != "" {
		t.Fatalf("digests %q and %q, %v, %v", now.Digest, later.Digest, err, err2)
	}
	if err := e.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := <-told; l.ID != later.ID || l.Digest != now.Digest {
		t.Errorf("told of %+v, want the digest of %+v", l, now)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := seal(true, ended); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("sealed though cancelled: %v", err)
	}

	gone, err := seal(true, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, job, end := e.begin(t.Context())
	defer end()
	if err := e.RemoveLayer(gone.ID); err != nil {
		t.Fatal(err)
	}
	if err := job.run(t.Context()); err != nil || len(told) != 0 || log.Len() != 0 {
		t.Errorf("hashing what was removed: %v, %d told, log %q", err, len(told), log.String())
	}
}

// TestHashingEndsWhenTheLayerGoes: not only after it has read all of it.
func TestHashingEndsWhenTheLayerGoes(t *testing.T) {
	e, err := Open(t.TempDir(), Options{Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b, err := e.NewLayer(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.acquire(l.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer e.release(c)
	if err := e.RemoveLayer(l.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.hashChain(t.Context(), c, 1); err == nil {
		t.Error("it was read to its end")
	}
}
