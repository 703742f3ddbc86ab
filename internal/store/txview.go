package store

import (
	"encoding/json"
	"fmt"
)

// View is a collection as one transaction sees it.
type View[T any] struct {
	c  *Collection[T]
	tx *Tx
}

// In is the collection inside tx.
func (c *Collection[T]) In(tx *Tx) View[T] { return View[T]{c, tx} }

// Get reads one record; ErrNotFound when there is none. The transaction fails
// to commit, and is tried again, if the record changes or appears meanwhile.
func (v View[T]) Get(key string) (T, error) {
	kv, err := v.tx.get(v.c.prefix + key)
	if err == nil && kv == nil {
		err = fmt.Errorf("%s %q: %w", v.c.name, key, ErrNotFound)
	}
	if err != nil {
		var none T
		return none, err
	}
	r, err := v.c.decode(kv)
	return r.Value, err
}

// List reads all records in the order of their keys. The transaction is tried
// again if any record of the collection changes meanwhile.
func (v View[T]) List() ([]Record[T], error) {
	kvs, err := v.tx.list(v.c.prefix, v.c.gen)
	if err != nil {
		return nil, err
	}
	return v.c.decodeAll(kvs)
}

// Revision is that of the collection's last change, 0 if there was none. The
// transaction is tried again if any record of the collection changes meanwhile.
func (v View[T]) Revision() int64 {
	if _, ours := v.tx.writes[v.c.gen]; ours {
		return 0
	}
	rev := v.c.Revision()
	v.tx.seen[v.c.gen] = rev
	return rev
}

// Put writes a record, new or not.
func (v View[T]) Put(key string, value T) error {
	if key == "" {
		return fmt.Errorf("write %s: empty key", v.c.name)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s %q: %w", v.c.name, key, err)
	}
	v.write(key, b)
	return nil
}

// Delete removes a record; removing none is no error.
func (v View[T]) Delete(key string) { v.write(key, nil) }

func (v View[T]) write(key string, value []byte) {
	v.tx.writes[v.c.prefix+key] = value
	v.tx.writes[v.c.gen] = []byte{} // the revision is what counts
}
