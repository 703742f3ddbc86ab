package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

const (
	keyRoot = "/bootes/v1/"
	genRoot = "/bootes/v1.gen/"
)

// A Collection is a set of records of one type, each under a key. Keys are
// non-empty and sort by bytes.
type Collection[T any] struct {
	s      *Store
	name   string
	prefix string // of the records' keys in etcd
	gen    string // the key touched by every change
}

// Record is a value with its key and the revision of its last change. A
// revision grows with every change of the store.
type Record[T any] struct {
	Key      string
	Value    T
	Revision int64
}

// Of is the collection of that name. The name is part of the stored format.
func Of[T any](s *Store, name string) *Collection[T] {
	return &Collection[T]{s: s, name: name, prefix: keyRoot + name + "/", gen: genRoot + name}
}

// Get reads one record; ErrNotFound when there is none.
func (c *Collection[T]) Get(ctx context.Context, key string) (Record[T], error) {
	kvs, _, err := c.s.read(ctx, c.prefix+key, "", mvcc.RangeOptions{})
	if err != nil {
		return Record[T]{}, err
	}
	if len(kvs) == 0 {
		return Record[T]{}, fmt.Errorf("%s %q: %w", c.name, key, ErrNotFound)
	}
	return c.decode(kvs[0])
}

// List reads all records in the order of their keys.
func (c *Collection[T]) List(ctx context.Context) ([]Record[T], error) {
	recs, _, err := c.list(ctx)
	return recs, err
}

// ListFrom reads at most limit records, the first one at key from or after it.
func (c *Collection[T]) ListFrom(ctx context.Context, from string, limit int64) ([]Record[T], error) {
	kvs, _, err := c.s.read(ctx, c.prefix+from, endOf(c.prefix), mvcc.RangeOptions{Limit: limit})
	if err != nil {
		return nil, err
	}
	return c.decodeAll(kvs)
}

// Count is how many records there are. None of them is read.
func (c *Collection[T]) Count(ctx context.Context) (int, error) {
	r, _, err := c.s.look(ctx, c.prefix, endOf(c.prefix), mvcc.RangeOptions{CountOnly: true})
	if err != nil {
		return 0, err
	}
	return r.Count, nil
}

// Revision is that of the collection's last change; 0 if there was none. It
// costs next to nothing.
func (c *Collection[T]) Revision() int64 { return c.s.revisions.get(c.gen) }

func (c *Collection[T]) list(ctx context.Context) ([]Record[T], int64, error) {
	kvs, rev, err := c.s.read(ctx, c.prefix, endOf(c.prefix), mvcc.RangeOptions{})
	if err != nil {
		return nil, 0, err
	}
	recs, err := c.decodeAll(kvs)
	return recs, rev, err
}

// endOf is the first key behind all that begin with prefix.
func endOf(prefix string) string { return clientv3.GetPrefixRangeEnd(prefix) }

func (c *Collection[T]) decodeAll(kvs []*mvccpb.KeyValue) ([]Record[T], error) {
	recs := make([]Record[T], 0, len(kvs))
	for _, kv := range kvs {
		r, err := c.decode(kv)
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	return recs, nil
}

func (c *Collection[T]) decode(kv *mvccpb.KeyValue) (Record[T], error) {
	r := Record[T]{Key: strings.TrimPrefix(string(kv.Key), c.prefix), Revision: kv.ModRevision}
	if err := json.Unmarshal(kv.Value, &r.Value); err != nil {
		return r, fmt.Errorf("decode %s %q: %w", c.name, r.Key, err)
	}
	return r, nil
}
