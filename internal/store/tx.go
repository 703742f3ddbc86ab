package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

const (
	maxTxnOps = 1024 // records that one transaction may write
	maxTries  = 64   // about 3 s of conflicts, with the pauses between
)

// errRetry: the snapshot of this attempt is gone.
var errRetry = errors.New("try again")

// Tx is one attempt of a transaction. It reads one snapshot of the store and
// collects writes, which it sees itself. It belongs to one goroutine and ends
// with the function it was given to.
type Tx struct {
	ctx    context.Context
	s      *Store
	rev    int64             // of the snapshot; 0 until the first read
	seen   map[string]int64  // key → revision it was read at; 0: was absent
	writes map[string][]byte // key → value; nil: delete
}

// Update runs fn and commits what it wrote, if nothing that it read has been
// changed by others meanwhile; otherwise it runs fn again, so fn must have no
// other effects. After many tries it gives up with ErrConflict. An error of fn
// is returned as it is, and nothing is written.
//
// When ctx or the store ends while a commit is under way, Update returns an error
// though the commit may still happen; or, where others' commit with it, waits for
// it, five seconds at most.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	for try := range maxTries {
		if err := pause(ctx, try); err != nil {
			return err
		}
		tx := &Tx{ctx: ctx, s: s, seen: map[string]int64{}, writes: map[string][]byte{}}
		err := fn(tx)
		if err == nil {
			err = tx.commit()
		}
		if !errors.Is(err, errRetry) {
			return err
		}
	}
	return ErrConflict
}

// pause waits a random time that grows with the number of failed tries.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(rand.N(time.Millisecond << min(try, 6)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Context is the context that Update was called with.
func (tx *Tx) Context() context.Context { return tx.ctx }

// get reads one key. The revision is 0 for a key that is absent or written by
// this transaction.
func (tx *Tx) get(key string) (*mvccpb.KeyValue, error) {
	if v, ok := tx.writes[key]; ok {
		return pending(key, v), nil
	}
	kvs, err := tx.read(key, "")
	if err != nil {
		return nil, err
	}
	if len(kvs) == 0 {
		tx.seen[key] = 0
		return nil, nil
	}
	tx.seen[key] = kvs[0].ModRevision
	return kvs[0], nil
}

func pending(key string, v []byte) *mvccpb.KeyValue {
	if v == nil {
		return nil
	}
	return &mvccpb.KeyValue{Key: []byte(key), Value: v}
}

// read reads a key, or all keys from it to end, of the snapshot.
func (tx *Tx) read(key, end string) ([]*mvccpb.KeyValue, error) {
	kvs, rev, err := tx.s.read(tx.ctx, key, end, mvcc.RangeOptions{Rev: tx.rev})
	if err == nil && tx.rev == 0 {
		tx.rev = rev
	}
	return kvs, err
}

// list reads a collection, with this transaction's own writes laid over it.
func (tx *Tx) list(prefix, gen string) ([]*mvccpb.KeyValue, error) {
	if _, err := tx.get(gen); err != nil {
		return nil, err
	}
	kvs, err := tx.read(prefix, endOf(prefix))
	if err != nil {
		return nil, err
	}
	return overlay(kvs, tx.writes, prefix), nil
}

// overlay lays writes over records, all of which have a prefix.
func overlay(kvs []*mvccpb.KeyValue, writes map[string][]byte, prefix string) []*mvccpb.KeyValue {
	kvs = slices.DeleteFunc(kvs, func(kv *mvccpb.KeyValue) bool {
		_, ok := writes[string(kv.Key)]
		return ok
	})
	for key, v := range writes {
		if v != nil && strings.HasPrefix(key, prefix) {
			kvs = append(kvs, pending(key, v))
		}
	}
	slices.SortFunc(kvs, func(a, b *mvccpb.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return kvs
}

// commit writes everything or nothing. A transaction that only read needs no
// check: it read one snapshot.
func (tx *Tx) commit() error {
	if len(tx.writes) == 0 {
		return nil
	}
	return tx.s.group.commit(tx)
}

// wrap turns etcd's errors into the store's own.
func wrap(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%s: %w", what, ErrFull)
	case errors.Is(err, rpctypes.ErrStopped):
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	return fmt.Errorf("%s: %w", what, err)
}
