package store

import (
	"context"
	"sync"

	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// revisions are those of the last changes of all collections, by the key that
// each change touches: servers ask for them with every packet, to know whether
// what they keep in memory is still true. An acknowledged write is among them;
// one whose outcome nobody has heard of, and one by etcdctl, after the next look.
type revisions struct {
	mu sync.RWMutex
	of map[string]int64
}

func (r *revisions) get(gen string) int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[gen]
}

// changed notes that gen was touched at rev. Groups and transactions that are
// written alone may come in any order.
func (r *revisions) changed(gen string, rev int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[gen] = max(r.of[gen], rev)
}

// lookAtRevisions brings the revisions up to date with the records.
func (s *Store) lookAtRevisions(ctx context.Context) error {
	kvs, _, err := s.read(ctx, genRoot, endOf(genRoot), mvcc.RangeOptions{})
	if err != nil {
		return err
	}
	for _, kv := range kvs {
		s.revisions.changed(string(kv.Key), kv.ModRevision)
	}
	return nil
}
