// Package store keeps the records of Boötes (names and rules, never blocks)
// in etcd: embedded in the process on one server, later a cluster by the same
// code.
//
// Records are JSON documents in typed collections. A key of a collection
// lies in etcd under
//
//	/bootes/v1/<collection>/<key>     the record
//	/bootes/v1.gen/<collection>       touched by every change of the collection
//
// The second key is what makes a list inside a transaction sound: etcd can
// compare the revision of a key but cannot say that nothing was deleted from
// a range. So all writing goes through Update, but for ledgers, which one writer
// keeps (see ledger.go). What many write at once is one transaction of etcd's, with
// one sync (see group.go).
//
// Nothing listens on a network address. etcd's client endpoint is a unix
// socket in the data folder, for etcdctl in the hands of root; the store
// itself talks to etcd inside the process. There is no peer endpoint.
//
// etcd ends the process when its log cannot be written. Therefore the store
// holds a reserve: a preallocated file that it gives up when the file system
// is nearly full (see reserve.go), and says so at Error level.
package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
)

// Options say where the store lives and how much it may take.
type Options struct {
	Dir    string       // the data folder; etcd has a folder of its own in it
	Socket string       // path of etcd's client socket; "" is Dir/etcd/client.sock
	Log    *slog.Logger // nil: slog.Default()

	QuotaBytes   int64         // largest size of the records on disk; 0: 512 MiB
	ReserveBytes int64         // size of the reserve file; 0: 64 MiB; < 0: none
	LowBytes     int64         // free space at which the reserve is given up; 0: 64 MiB
	Poll         time.Duration // how often free space is looked at; 0: 500 ms

	Synced func(took time.Duration) // told of each write of the journal, synced; may be nil

	exit func(code int)                            // tests: instead of os.Exit
	free func(dir string) (avail int64, err error) // tests: instead of statfs
}

// A Store is one open store. Its methods may be called from any number of
// goroutines.
type Store struct {
	o       Options
	log     *slog.Logger
	lock    *os.File
	etcd    *embed.Etcd
	client  *clientv3.Client
	kv      pb.KVServer
	reserve *reserve
	group   *group
	journal *journal

	revisions revisions

	quiet atomic.Bool // etcd is stopping: see slogCore

	closing context.Context // ends when Close begins
	close   context.CancelFunc
	wg      sync.WaitGroup

	settled int64 // bytes of the database that are no history; forgetHistory's

	mu      sync.Mutex
	trouble error // what Healthy says
}

// Open starts etcd on o.Dir and returns when records can be read and written.
// A folder that another server holds fails with *InUseError at once.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.setDefaults()
	s := &Store{o: o, log: o.Log, revisions: revisions{of: map[string]int64{}}}
	s.closing, s.close = context.WithCancel(context.Background())
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.QuotaBytes = orDefault(o.QuotaBytes, 512<<20)
	o.ReserveBytes = orDefault(o.ReserveBytes, 64<<20)
	o.LowBytes = orDefault(o.LowBytes, 64<<20)
	o.Poll = orDefault(o.Poll, 500*time.Millisecond)
	if o.Socket == "" {
		o.Socket = filepath.Join(o.Dir, etcdFolder, "client.sock")
	}
	if o.exit == nil {
		o.exit = os.Exit
	}
	if o.free == nil {
		o.free = freeBytes
	}
}

func orDefault[N int64 | time.Duration](v, def N) N {
	if v == 0 {
		return def
	}
	return v
}

// open takes each thing in the order in which Close gives it back, reversed:
// folder lock, reserve, etcd, client, journal, watcher.
func (s *Store) open(ctx context.Context) (err error) {
	if err := checkSocketPath(s.o.Socket); err != nil {
		return err
	}
	if s.lock, err = lockDir(s.o.Dir); err != nil {
		return err
	}
	s.reserve = newReserve(s.o, s.log)
	s.reserve.check() // before etcd starts: a full disk ended the last run, perhaps
	if s.etcd, err = startEtcd(ctx, s.o, &s.quiet); err != nil {
		return err
	}
	s.allocateAhead()
	if err := s.lookAtRevisions(ctx); err != nil {
		return err
	}
	s.client, s.kv = v3client.New(s.etcd.Server), v3rpc.NewQuotaKVServer(s.etcd.Server)
	s.group = &group{s: s}
	if err := s.openJournal(ctx); err != nil {
		return err
	}
	s.wg.Go(func() { s.writeBehind(s.closing) })
	s.wg.Go(func() { s.watchHealth(s.closing) })
	return nil
}

// Close ends the watches, then etcd, then frees the folder. It may be called
// once all users of the store have ended.
func (s *Store) Close() error {
	s.close()
	s.wg.Wait()
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.closeJournal())
	}
	if s.client != nil {
		errs = append(errs, ignoreCanceled(s.client.Close()))
	}
	if s.etcd != nil {
		s.quiet.Store(true)
		s.etcd.Close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
