package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func TestUpdateSeesItself(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	put(t, c, "a", 1)
	put(t, c, "b", 2)
	err := s.Update(t.Context(), func(tx *Tx) error {
		v := c.In(tx)
		if err := errors.Join(v.Put("c", thing{3}), v.Put("a", thing{10})); err != nil {
			return err
		}
		v.Delete("b")
		if _, err := v.Get("b"); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		if a, err := v.Get("a"); err != nil || a.N != 10 {
			t.Errorf("written: %v %v", a, err)
		}
		recs, err := v.List()
		if keys(recs) != "a c" {
			t.Errorf("list %q", keys(recs))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	recs, err := c.List(t.Context())
	if keys(recs) != "a c" || err != nil {
		t.Errorf("after: %q, %v", keys(recs), err)
	}
}

func TestUpdateErrorWritesNothing(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	mine := errors.New("mine")
	err := s.Update(t.Context(), func(tx *Tx) error {
		c.In(tx).Put("a", thing{1})
		return mine
	})
	if err != mine {
		t.Errorf("got %v", err)
	}
	if recs, _ := c.List(t.Context()); len(recs) != 0 {
		t.Error("written all the same")
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return c.In(tx).Put("", thing{1}) }); err == nil {
		t.Error("an empty key was taken")
	}
}

func TestConcurrentCounter(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	put(t, c, "n", 0)
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				err := s.Update(t.Context(), func(tx *Tx) error {
					n, err := c.In(tx).Get("n")
					if err != nil {
						return err
					}
					return c.In(tx).Put("n", thing{n.N + 1})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r, err := c.Get(t.Context(), "n"); err != nil || r.Value.N != workers*each {
		t.Errorf("counted %d of %d, %v", r.Value.N, workers*each, err)
	}
}

// TestConflicts: what changes under a transaction makes it run again, exactly
// when it had read it.
func TestConflicts(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c, other := Of[thing](s, "things"), Of[thing](s, "others")
	get := func(key string) func(*Tx) {
		return func(tx *Tx) { c.In(tx).Get(key) }
	}
	list := func(tx *Tx) { c.In(tx).List() }
	for _, tt := range []struct {
		name   string
		read   func(*Tx)
		change func()
		tries  int
	}{
		{"record read is changed", get("a"), func() { put(t, c, "a", 2) }, 2},
		{"record read is deleted", get("a"), func() { remove(t, c, "a") }, 2},
		{"absent record appears", get("z"), func() { put(t, c, "z", 1) }, 2},
		{"another record is changed", get("a"), func() { put(t, c, "b", 2) }, 1},
		{"list, record appears", list, func() { put(t, c, "z", 1) }, 2},
		{"list, record is changed", list, func() { put(t, c, "a", 2) }, 2},
		{"list, record is deleted", list, func() { remove(t, c, "b") }, 2},
		{"list, another collection", list, func() { put(t, other, "a", 2) }, 1},
		{"nothing read", func(*Tx) {}, func() { put(t, c, "a", 2) }, 1},
	} {
		put(t, c, "a", 1)
		put(t, c, "b", 1)
		remove(t, c, "z")
		tries := 0
		err := s.Update(t.Context(), func(tx *Tx) error {
			tries++
			tt.read(tx)
			if tries == 1 {
				tt.change()
			}
			return other.In(tx).Put("out", thing{tries})
		})
		if err != nil || tries != tt.tries {
			t.Errorf("%s: %d tries, want %d, %v", tt.name, tries, tt.tries, err)
		}
	}
}

// TestSnapshot: one transaction reads one moment, even one that will not
// commit, so its function never sees a state that never was.
func TestSnapshot(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	both := func(n int) {
		err := s.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(c.In(tx).Put("a", thing{n}), c.In(tx).Put("b", thing{n}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	both(1)
	err := s.Update(t.Context(), func(tx *Tx) error {
		a, _ := c.In(tx).Get("a")
		both(2)
		b, _ := c.In(tx).Get("b")
		recs, _ := c.In(tx).List()
		if a != b || recs[0].Value != a || recs[1].Value != a {
			t.Errorf("a torn read: %v %v %v", a, b, recs)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUpdateGivesUp(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	n := 0
	err := s.Update(t.Context(), func(tx *Tx) error {
		c.In(tx).Get("a")
		n++
		put(t, c, "a", n)
		return c.In(tx).Put("b", thing{n})
	})
	if !errors.Is(err, ErrConflict) || n != maxTries {
		t.Errorf("%v after %d tries", err, n)
	}
	if _, err := c.Get(t.Context(), "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("written all the same: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Update(ctx, func(tx *Tx) error {
		cancel()
		c.In(tx).Get("a")
		return c.In(tx).Put("b", thing{n})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestReadCompacted: a transaction whose snapshot was compacted away starts
// anew instead of failing.
func TestReadCompacted(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	put(t, c, "a", 1)
	tries := 0
	err := s.Update(t.Context(), func(tx *Tx) error {
		tries++
		if _, err := c.In(tx).Get("a"); err != nil {
			return err
		}
		if tries == 1 {
			put(t, c, "x", 1)
			compact(t, s)
		}
		_, err := c.In(tx).Get("b")
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func compact(t *testing.T, s *Store) {
	t.Helper()
	resp, err := s.client.Get(t.Context(), keyRoot)
	if err == nil {
		_, err = s.client.Compact(t.Context(), resp.Header.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLargeTransaction(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	write := func(n int) error {
		return s.Update(t.Context(), func(tx *Tx) error {
			for i := range n {
				if err := c.In(tx).Put(fmt.Sprint(i), thing{i}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := write(maxTxnOps - 1); err != nil { // and the collection's own key
		t.Error(err)
	}
	if err := write(maxTxnOps); err == nil {
		t.Error("more than etcd takes was taken")
	}
}

func BenchmarkUpdate(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(b.Context(), Options{Dir: dir, Socket: "/tmp/bootes-bench.sock", ReserveBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := Of[thing](s, "things")
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		key := fmt.Sprint(n.Add(1))
		for pb.Next() {
			err := s.Update(b.Context(), func(tx *Tx) error {
				x, err := c.In(tx).Get(key)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				return c.In(tx).Put(key, thing{x.N + 1})
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}
