package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// watching runs a Watch and passes each call of its function on as text.
type watching struct {
	t     *testing.T
	calls chan string
	done  chan error
	end   context.CancelFunc
}

func watch(t *testing.T, c *Collection[thing]) *watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, calls: make(chan string, 1000), done: make(chan error, 1), end: cancel}
	go func() {
		w.done <- c.Watch(ctx, func(es []Event[thing]) error {
			s := ""
			for _, e := range es {
				if e.Deleted {
					s += " -" + e.Key
				} else {
					s += fmt.Sprintf(" %s=%d", e.Key, e.Value.N)
				}
			}
			w.calls <- s
			return nil
		})
	}()
	t.Cleanup(cancel)
	return w
}

func (w *watching) want(text string) {
	w.t.Helper()
	select {
	case got := <-w.calls:
		if got != text {
			w.t.Errorf("told %q, want %q", got, text)
		}
	case <-time.After(10 * time.Second):
		w.t.Fatalf("not told %q", text)
	}
}

func (w *watching) stop() {
	w.t.Helper()
	w.end()
	if err := <-w.done; err != nil {
		w.t.Errorf("ended with %v", err)
	}
}

func TestWatch(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c, other := Of[thing](s, "things"), Of[thing](s, "things2")
	put(t, c, "a", 1)
	put(t, c, "b", 1)
	w := watch(t, c)
	w.want(" a=1 b=1")
	put(t, other, "x", 9)
	put(t, c, "a", 2)
	w.want(" a=2")
	remove(t, c, "b")
	w.want(" -b")
	err := s.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(c.In(tx).Put("d", thing{1}), c.In(tx).Put("c", thing{1}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-w.calls; got != " c=1 d=1" && got != " d=1 c=1" {
		t.Errorf("one transaction was told as %q", got)
	}
	w.stop()
}

func TestWatchEmpty(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	w := watch(t, Of[thing](s, "things"))
	w.want("") // told at once that there is nothing
	w.stop()
}

// TestWatchNoGaps: the snapshot and what follows leave nothing out, however
// the writer's and the watcher's starts fall together.
func TestWatchNoGaps(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	const last = 300
	go func() {
		for i := range last {
			s.Update(context.Background(), func(tx *Tx) error { return c.In(tx).Put(fmt.Sprintf("%03d", i), thing{i}) })
		}
	}()
	seen := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	full := errors.New("seen all")
	err := c.Watch(ctx, func(es []Event[thing]) error {
		for _, e := range es {
			if seen[e.Key] {
				t.Errorf("%s told twice", e.Key)
			}
			seen[e.Key] = true
		}
		if len(seen) == last {
			return full
		}
		return nil
	})
	if err != full {
		t.Errorf("saw %d of %d: %v", len(seen), last, err)
	}
}

// TestWatchCompacted: a watcher that was away while history was compacted is
// told the difference.
func TestWatchCompacted(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	for _, k := range []string{"a", "b", "c"} {
		put(t, c, k, 1)
	}
	var told [][]Event[thing]
	w := watcher[thing]{c: c, fn: func(es []Event[thing]) error { told = append(told, es); return nil }}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	recs, rev, err := c.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.diff(recs, rev)

	put(t, c, "a", 2)
	remove(t, c, "b")
	put(t, c, "d", 1)
	compact(t, s)
	if err := w.follow(t.Context(), rev+1); !errors.Is(err, errResume) {
		t.Fatalf("following from revision %d: %v", rev+1, err)
	}
	if err := w.run(ended); err == nil {
		t.Error("listed with an ended context")
	}
	ctx, stop := context.WithCancel(t.Context())
	w.fn = func(es []Event[thing]) error { told = append(told, es); stop(); return nil }
	w.run(ctx)
	if len(told) != 1 || fmt.Sprint(values(told[0])) != "[a=2 d=1 -b]" {
		t.Errorf("told %v", told)
	}
}

func values(es []Event[thing]) (out []string) {
	for _, e := range es {
		if e.Deleted {
			out = append(out, "-"+e.Key)
		} else {
			out = append(out, fmt.Sprintf("%s=%d", e.Key, e.Value.N))
		}
	}
	return out
}

func TestWatchEnds(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	mine := errors.New("mine")
	if err := c.Watch(t.Context(), func([]Event[thing]) error { return mine }); err != mine {
		t.Errorf("error of the function: %v", err)
	}
	w := watch(t, c)
	w.want("")
	closeStore(t, s)
	if err := <-w.done; !errors.Is(err, ErrClosed) {
		t.Errorf("store closed: %v", err)
	}
}
