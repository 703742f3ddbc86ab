package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
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
	resp, err := c.s.client.Get(ctx, c.prefix+key)
	if err != nil {
		return Record[T]{}, wrap("read "+c.name, err)
	}
	if len(resp.Kvs) == 0 {
		return Record[T]{}, fmt.Errorf("%s %q: %w", c.name, key, ErrNotFound)
	}
	return c.decode(resp.Kvs[0])
}

// List reads all records in the order of their keys.
func (c *Collection[T]) List(ctx context.Context) ([]Record[T], error) {
	recs, _, err := c.list(ctx)
	return recs, err
}

// ListFrom reads at most limit records, the first one at key from or after it.
func (c *Collection[T]) ListFrom(ctx context.Context, from string, limit int64) ([]Record[T], error) {
	end := clientv3.GetPrefixRangeEnd(c.prefix)
	resp, err := c.s.client.Get(ctx, c.prefix+from, clientv3.WithRange(end), clientv3.WithLimit(limit))
	if err != nil {
		return nil, wrap("list "+c.name, err)
	}
	return c.decodeAll(resp.Kvs)
}

func (c *Collection[T]) list(ctx context.Context) ([]Record[T], int64, error) {
	resp, err := c.s.client.Get(ctx, c.prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, wrap("list "+c.name, err)
	}
	recs, err := c.decodeAll(resp.Kvs)
	return recs, resp.Header.Revision, err
}

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
