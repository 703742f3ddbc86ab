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
	clientv3 "go.etcd.io/etcd/client/v3"
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
	rev    int64              // of the snapshot; 0 until the first read
	seen   map[string]int64   // key → revision it was read at; 0: was absent
	writes map[string]*string // key → value; nil: delete
}

// Update runs fn and commits what it wrote, if nothing that it read has been
// changed by others meanwhile; otherwise it runs fn again, so fn must have no
// other effects. After many tries it gives up with ErrConflict. An error of fn
// is returned as it is, and nothing is written.
//
// When ctx ends while a commit is under way, Update returns an error though
// the commit may still happen.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	for try := range maxTries {
		if err := pause(ctx, try); err != nil {
			return err
		}
		tx := &Tx{ctx: ctx, s: s, seen: map[string]int64{}, writes: map[string]*string{}}
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
	resp, err := tx.read(key)
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 {
		tx.seen[key] = 0
		return nil, nil
	}
	tx.seen[key] = resp.Kvs[0].ModRevision
	return resp.Kvs[0], nil
}

func pending(key string, v *string) *mvccpb.KeyValue {
	if v == nil {
		return nil
	}
	return &mvccpb.KeyValue{Key: []byte(key), Value: []byte(*v)}
}

func (tx *Tx) read(key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if tx.rev != 0 {
		opts = append(opts, clientv3.WithRev(tx.rev))
	}
	resp, err := tx.s.client.Get(tx.ctx, key, opts...)
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil, errRetry
	}
	if err != nil {
		return nil, wrap("read the store", err)
	}
	if tx.rev == 0 {
		tx.rev = resp.Header.Revision
	}
	return resp, nil
}

// list reads a collection, with this transaction's own writes laid over it.
func (tx *Tx) list(prefix, gen string) ([]*mvccpb.KeyValue, error) {
	if _, err := tx.get(gen); err != nil {
		return nil, err
	}
	resp, err := tx.read(prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	kvs := slices.DeleteFunc(resp.Kvs, func(kv *mvccpb.KeyValue) bool {
		_, ok := tx.writes[string(kv.Key)]
		return ok
	})
	for key, v := range tx.writes {
		if v != nil && strings.HasPrefix(key, prefix) {
			kvs = append(kvs, pending(key, v))
		}
	}
	slices.SortFunc(kvs, func(a, b *mvccpb.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return kvs, nil
}

// commit writes everything or nothing. A transaction that only read needs no
// check: it read one snapshot.
func (tx *Tx) commit() error {
	if len(tx.writes) == 0 {
		return nil
	}
	var cmps []clientv3.Cmp
	for key, rev := range tx.seen {
		cmps = append(cmps, clientv3.Compare(clientv3.ModRevision(key), "=", rev))
	}
	var ops []clientv3.Op
	for key, v := range tx.writes {
		if v == nil {
			ops = append(ops, clientv3.OpDelete(key))
		} else {
			ops = append(ops, clientv3.OpPut(key, *v))
		}
	}
	resp, err := tx.s.client.Txn(tx.ctx).If(cmps...).Then(ops...).Commit()
	if err != nil {
		return wrap("write the store", err)
	}
	if !resp.Succeeded {
		return errRetry
	}
	return nil
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
