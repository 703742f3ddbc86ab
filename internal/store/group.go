package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// groupBytes is what a group writes at most: etcd takes requests of 1.5 MiB.
const groupBytes = 512 << 10

// group commits the transactions of many callers as one of etcd's, so that they
// share its work and its sync. Nobody waits for company: who comes first writes,
// those that come meanwhile wait, and then the first of these writes for all.
//
// Transactions go together if none reads or writes what another writes, but for
// the mark that a collection has changed: then their order does not matter. If
// one of a group has come too late, the group fails, and each is written alone.
type group struct {
	s *Store

	mu      sync.Mutex
	writing bool
	next    []*waiting
}

// waiting is a transaction whose caller waits until it is written, or until it is
// his turn to write.
type waiting struct {
	tx   *Tx
	done chan error
}

var (
	errTurn  = errors.New("write for all that wait")
	errAlone = errors.New("write it alone") // another transaction of the group has come too late
)

func (g *group) commit(tx *Tx) error {
	if err := tx.ctx.Err(); err != nil {
		return err
	}
	if g.s.closing.Err() != nil {
		return ErrClosed
	}
	w := &waiting{tx: tx, done: make(chan error, 1)}
	err := errTurn
	if !g.join(w) {
		select {
		case err = <-w.done:
		case <-tx.ctx.Done():
			g.leave(w)
			return tx.ctx.Err()
		case <-g.s.closing.Done():
			g.leave(w)
			return ErrClosed
		}
	}
	if err == errTurn {
		err = g.write(w)
	}
	if err == errAlone {
		return g.s.write(tx.ctx, newBundle(tx))
	}
	return err
}

// join has w wait, or reports that it is its turn.
func (g *group) join(w *waiting) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing {
		g.next = append(g.next, w)
		return false
	}
	g.writing = true
	return true
}

// leave takes w back, unless it is being written.
func (g *group) leave(w *waiting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.next, w); i >= 0 {
		g.next = slices.Delete(g.next, i, i+1)
		return
	}
	select {
	case err := <-w.done:
		if err == errTurn {
			g.pass()
		}
	default:
	}
}

// pass gives the turn to who has waited longest; g.mu is held.
func (g *group) pass() {
	if len(g.next) == 0 {
		g.writing = false
		return
	}
	g.next[0].done <- errTurn
	g.next = slices.Delete(g.next, 0, 1)
}

// write commits w and all that wait, up to one that does not go together with
// them. Others' fate hangs on it, so it does not end with w's context; etcd ends
// it after five seconds.
func (g *group) write(w *waiting) error {
	b := newBundle(w.tx)
	g.mu.Lock()
	n := 0
	for n < len(g.next) && b.add(g.next[n].tx) {
		n++
	}
	others := slices.Clone(g.next[:n])
	g.next = slices.Delete(g.next, 0, n)
	g.mu.Unlock()

	err := g.s.write(g.s.closing, b)
	if err != nil && g.s.closing.Err() != nil {
		err = ErrClosed
	}
	g.mu.Lock()
	g.pass()
	g.mu.Unlock()
	if errors.Is(err, errRetry) && len(others) > 0 {
		err = errAlone
	}
	for _, o := range others {
		o.done <- err
	}
	return err
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
