package store

import (
	"context"
	"errors"
	"maps"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	groupQueue = 256       // transactions that wait for the group before theirs
	groupBytes = 512 << 10 // that a group writes: etcd takes requests of 1.5 MiB
	// flushBytes may be committed before the database is written, a thousand
	// leases: the more it is, the longer everybody waits for that.
	flushBytes = 256 << 10
)

// group commits the transactions of many callers as one of etcd's, so that they
// share its work and its sync. While one group is written the next gathers; a
// transaction that comes alone waits for nobody.
//
// Transactions go together if none reads or writes what another writes, but for
// the mark that a collection has changed: then their order does not matter. If
// one of a group has come too late, the group fails, and each is written alone.
type group struct {
	s    *Store
	next chan *waiting
}

// waiting is a transaction whose caller waits for it.
type waiting struct {
	tx   *Tx
	done chan error
}

// errAlone: another transaction of the group has come too late.
var errAlone = errors.New("write it alone")

func newGroup(s *Store) *group { return &group{s: s, next: make(chan *waiting, groupQueue)} }

func (g *group) commit(tx *Tx) error {
	w := &waiting{tx: tx, done: make(chan error, 1)}
	select {
	case g.next <- w:
	case <-tx.ctx.Done():
		return tx.ctx.Err()
	case <-g.s.closing.Done():
		return ErrClosed
	}
	select {
	case err := <-w.done:
		if errors.Is(err, errAlone) {
			return g.s.write(tx.ctx, newBundle(tx))
		}
		return err
	case <-tx.ctx.Done():
		return tx.ctx.Err()
	case <-g.s.closing.Done():
		return ErrClosed
	}
}

// run writes groups until ctx ends.
func (g *group) run(ctx context.Context) {
	for {
		select {
		case w := <-g.next:
			for w != nil {
				w = g.write(ctx, w)
			}
		case <-ctx.Done():
			return
		}
	}
}

// write commits first with all that wait, up to one that does not go together
// with them, which it returns.
func (g *group) write(ctx context.Context, first *waiting) (left *waiting) {
	all, b := []*waiting{first}, newBundle(first.tx)
	for left == nil && len(g.next) > 0 {
		if w := <-g.next; b.add(w.tx) {
			all = append(all, w)
		} else {
			left = w
		}
	}
	err := g.s.write(ctx, b)
	if errors.Is(err, errRetry) && len(all) > 1 {
		err = errAlone
	}
	for _, w := range all {
		w.done <- err
	}
	return left
}

// bundle is what transactions that go together have read and write.
type bundle struct {
	seen   map[string]int64
	writes map[string][]byte
	bytes  int
}

func newBundle(tx *Tx) *bundle {
	b := &bundle{seen: maps.Clone(tx.seen), writes: maps.Clone(tx.writes)}
	b.bytes = tx.size()
	return b
}

// add adds tx if it goes together with what is there.
func (b *bundle) add(tx *Tx) bool {
	size := tx.size()
	if b.bytes+size > groupBytes || max(len(b.seen)+len(tx.seen), len(b.writes)+len(tx.writes)) > maxTxnOps || b.touches(tx) {
		return false
	}
	maps.Copy(b.seen, tx.seen)
	maps.Copy(b.writes, tx.writes)
	b.bytes += size
	return true
}

func (b *bundle) touches(tx *Tx) bool {
	for key := range tx.writes {
		if _, ok := b.seen[key]; ok {
			return true
		}
		if _, ok := b.writes[key]; ok && !strings.HasPrefix(key, genRoot) {
			return true
		}
	}
	for key, rev := range tx.seen {
		if _, ok := b.writes[key]; ok {
			return true
		}
		if other, ok := b.seen[key]; ok && other != rev {
			return true
		}
	}
	return false
}

func (tx *Tx) size() (n int) {
	for key, v := range tx.writes {
		n += len(key) + len(v)
	}
	return n
}

// write writes everything or nothing. It asks etcd's own service: its client,
// though inside the process, copies each record and condition three times.
func (s *Store) write(ctx context.Context, b *bundle) error {
	resp, err := s.kv.Txn(ctx, b.request())
	if err != nil {
		return wrap("write the store", clientv3.ContextError(ctx, err))
	}
	if !resp.Succeeded {
		return errRetry
	}
	for key := range b.writes {
		if strings.HasPrefix(key, genRoot) {
			s.revisions.changed(key, resp.Header.Revision)
		}
	}
	if s.unflushed.Add(int64(b.bytes)) >= flushBytes {
		s.unflushed.Store(0)
		s.etcd.Server.KV().Commit()
	}
	return nil
}

// request is the bundle for etcd.
func (b *bundle) request() *pb.TxnRequest {
	r := &pb.TxnRequest{Compare: make([]*pb.Compare, 0, len(b.seen)), Success: make([]*pb.RequestOp, 0, len(b.writes))}
	for key, rev := range b.seen {
		r.Compare = append(r.Compare, &pb.Compare{
			Key: []byte(key), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: rev},
		})
	}
	for key, v := range b.writes {
		r.Success = append(r.Success, request(key, v))
	}
	return r
}

func request(key string, v []byte) *pb.RequestOp {
	if v == nil {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: v}}}
}
