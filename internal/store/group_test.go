package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// TestGroup: transactions that wait together are one of etcd's, with one
// revision; what comes too late keeps nobody else from being written.
func TestGroup(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	put(t, c, "old", 1)
	tx := func(key string, seen int64) *waiting {
		return &waiting{
			tx:   &Tx{ctx: t.Context(), s: s, seen: map[string]int64{c.prefix + key: seen}, writes: map[string][]byte{c.prefix + key: []byte{}, c.gen: []byte{}}},
			done: make(chan error, 1),
		}
	}
	for _, tt := range []struct {
		name string
		all  []*waiting
		want error
	}{
		{"together", []*waiting{tx("a", 0), tx("b", 0), tx("c", 0)}, nil},
		{"one is late", []*waiting{tx("d", 0), tx("old", 1), tx("e", 0)}, errAlone},
		{"alone and late", []*waiting{tx("old", 1)}, errRetry},
	} {
		g := &group{s: s, writing: true, next: slices.Clone(tt.all[1:])}
		if err := g.write(tt.all[0]); !errors.Is(err, tt.want) {
			t.Errorf("%s: who writes: %v, want %v", tt.name, err, tt.want)
		}
		for i, w := range tt.all[1:] {
			if err := <-w.done; !errors.Is(err, tt.want) {
				t.Errorf("%s: number %d: %v, want %v", tt.name, i+1, err, tt.want)
			}
		}
		if g.writing || len(g.next) > 0 {
			t.Errorf("%s: it is somebody's turn still: %v, %d wait", tt.name, g.writing, len(g.next))
		}
	}
	a, _, _ := s.read(t.Context(), c.prefix+"a", endOf(c.prefix), mvcc.RangeOptions{})
	if len(a) != 4 || a[0].ModRevision != a[2].ModRevision {
		t.Errorf("a, b, c: %v", a)
	}
	if err := s.group.commit(tx("d", 0).tx); err != nil {
		t.Errorf("alone: %v", err)
	}
}

// TestTurn: whoever gives up while it waits is not written, and if it was its turn
// to write, it is the next one's.
func TestTurn(t *testing.T) {
	g := &group{}
	w := make([]*waiting, 4)
	for i := range w {
		w[i] = &waiting{tx: &Tx{}, done: make(chan error, 1)}
		if g.join(w[i]) != (i == 0) {
			t.Errorf("number %d: its turn at once: %v", i, i != 0)
		}
	}
	g.leave(w[2])
	g.pass()
	if len(w[1].done) != 1 {
		t.Error("who has waited longest has not the turn")
	}
	g.leave(w[1])
	if len(w[2].done) != 0 || len(w[3].done) != 1 {
		t.Error("the turn was not passed on to who still waits")
	}
	g.leave(w[3])
	if g.writing || !g.join(w[0]) {
		t.Error("nobody waits, and it is nobody's turn")
	}
}

// TestGivenUp: a caller whose context ends while others write hears of it at once.
func TestGivenUp(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	g := s.group
	g.join(&waiting{}) // somebody writes
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.commit(&Tx{ctx: ctx, s: s}) }()
	waiting := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.next)
	}
	for waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || waiting() > 0 {
		t.Errorf("%v, and %d wait", err, waiting())
	}
}

func TestBundleKeepsApart(t *testing.T) {
	const gen = genRoot + "things"
	value, large := []byte("x"), make([]byte, groupBytes)
	first := Tx{seen: map[string]int64{"read": 3, "both": 4}, writes: map[string][]byte{"both": value, "blind": value, gen: value}}
	many := map[string]int64{}
	for i := range maxTxnOps {
		many[fmt.Sprint(i)] = 1
	}
	for _, tt := range []struct {
		name   string
		seen   map[string]int64
		writes map[string][]byte
		want   bool
	}{
		{"nothing shared", map[string]int64{"other": 1}, map[string][]byte{"other": value, gen: value}, true},
		{"the same read", map[string]int64{"read": 3}, map[string][]byte{"other": value}, true},
		{"read at another revision", map[string]int64{"read": 2}, map[string][]byte{"other": value}, false},
		{"writes what was read", nil, map[string][]byte{"read": value}, false},
		{"reads what is written", map[string]int64{"blind": 1}, map[string][]byte{"other": value}, false},
		{"writes the same", nil, map[string][]byte{"blind": value}, false},
		{"has listed the collection", map[string]int64{gen: 1}, map[string][]byte{"other": value}, false},
		{"too many keys", many, nil, false},
		{"too many bytes", nil, map[string][]byte{"other": large}, false},
	} {
		if got := newBundle(&first).add(&Tx{seen: tt.seen, writes: tt.writes}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestManyWriters: whoever writes while others do is written all the same, and
// etcd does less.
func TestManyWriters(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	_, before, _ := s.read(t.Context(), keyRoot, "", mvcc.RangeOptions{})
	const writers, each = 64, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Update(t.Context(), func(tx *Tx) error { return c.In(tx).Put(fmt.Sprint(w, "/", i), thing{i}) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	kvs, after, err := s.read(t.Context(), c.prefix, endOf(c.prefix), mvcc.RangeOptions{})
	if err != nil || len(kvs) != writers*each {
		t.Errorf("%d records of %d, %v", len(kvs), writers*each, err)
	}
	if n := after - before; n > writers*each/2 {
		t.Errorf("%d writes for %d transactions", n, writers*each)
	}
}
