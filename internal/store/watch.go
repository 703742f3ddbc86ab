package store

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Event is one change of a record.
type Event[T any] struct {
	Key      string
	Value    T // zero if Deleted
	Deleted  bool
	Revision int64
}

// errResume: the events after the last one seen were compacted away.
var errResume = errors.New("watch must start anew")

// Watch calls fn with all records there are (perhaps none), then with every
// change in order, without gaps, until ctx ends; then it returns nil. An error
// of fn ends it too and is returned. A store that closes ends it with
// ErrClosed.
//
// A watcher so slow that its events were compacted away gets the difference
// between what it was told and what is there; changes in between are skipped.
func (c *Collection[T]) Watch(ctx context.Context, fn func([]Event[T]) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.s.closing, cancel)()

	w := watcher[T]{c: c, fn: fn}
	for {
		err := w.run(ctx)
		switch {
		case c.s.closing.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errResume):
			return err
		}
	}
}

type watcher[T any] struct {
	c     *Collection[T]
	fn    func([]Event[T]) error
	known map[string]int64 // key → revision told; nil before the first snapshot
}

// run lists, tells what is new, and follows the changes from there.
func (w *watcher[T]) run(ctx context.Context) error {
	recs, rev, err := w.c.list(ctx)
	if err != nil {
		return err
	}
	first := w.known == nil
	if events := w.diff(recs, rev); first || len(events) > 0 {
		if err := w.fn(events); err != nil {
			return err
		}
	}
	return w.follow(ctx, rev+1)
}

func (w *watcher[T]) diff(recs []Record[T], rev int64) []Event[T] {
	var events []Event[T]
	now := make(map[string]int64, len(recs))
	for _, r := range recs {
		now[r.Key] = r.Revision
		if w.known[r.Key] != r.Revision {
			events = append(events, Event[T]{Key: r.Key, Value: r.Value, Revision: r.Revision})
		}
	}
	for key := range w.known {
		if _, ok := now[key]; !ok {
			events = append(events, Event[T]{Key: key, Deleted: true, Revision: rev})
		}
	}
	w.known = now
	return events
}

func (w *watcher[T]) follow(ctx context.Context, from int64) error {
	ctx, cancel := context.WithCancel(ctx) // ends etcd's side of the watch
	defer cancel()
	for resp := range w.c.s.client.Watch(ctx, w.c.prefix, clientv3.WithPrefix(), clientv3.WithRev(from)) {
		if resp.CompactRevision != 0 {
			return errResume
		}
		if err := resp.Err(); err != nil {
			return wrap("watch "+w.c.name, err)
		}
		events, err := w.events(resp.Events)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			if err := w.fn(events); err != nil {
				return err
			}
		}
	}
	return errResume
}

func (w *watcher[T]) events(in []*clientv3.Event) ([]Event[T], error) {
	events := make([]Event[T], 0, len(in))
	for _, e := range in {
		if e.Type == mvccpb.Event_DELETE {
			key := string(e.Kv.Key[len(w.c.prefix):])
			delete(w.known, key)
			events = append(events, Event[T]{Key: key, Deleted: true, Revision: e.Kv.ModRevision})
			continue
		}
		r, err := w.c.decode(e.Kv)
		if err != nil {
			return nil, err
		}
		w.known[r.Key] = r.Revision
		events = append(events, Event[T]{Key: r.Key, Value: r.Value, Revision: r.Revision})
	}
	return events, nil
}
