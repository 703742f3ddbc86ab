package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// relieveEvery bounds how often a store over its quota is compacted: that
// rewrites the whole database.
const relieveEvery = 10 * time.Second

// Healthy is nil when records can be read and written and the reserve is
// held; otherwise it says in words what is wrong and what to do.
func (s *Store) Healthy(ctx context.Context) error {
	s.mu.Lock()
	trouble := s.trouble
	s.mu.Unlock()
	if err := errors.Join(trouble, s.reserve.trouble()); err != nil {
		return err
	}
	_, err := s.client.Get(ctx, keyRoot, clientv3.WithCountOnly())
	return wrap("read the store", err)
}

// watchHealth guards the reserve and the quota until ctx ends.
func (s *Store) watchHealth(ctx context.Context) {
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	var relieved time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.etcd.Server.StopNotify():
			s.setTrouble(errors.New("the store has stopped by itself: restart the server"))
			return
		case <-tick.C:
		}
		s.reserve.check()
		s.allocateAhead()
		s.forgetHistory(ctx)
		if err := s.lookAtRevisions(ctx); err != nil && ctx.Err() == nil {
			s.log.Debug("cannot look at the store's revisions", "dir", s.o.Dir, "err", err)
		}
		if s.overQuota() && time.Since(relieved) > relieveEvery {
			s.setTrouble(s.relieve(ctx))
			relieved = time.Now()
		}
	}
}

// historyKept is how many revisions watches and transactions may lag behind.
const historyKept = 100

// forgetHistory drops old revisions once they may have taken an eighth of the
// quota: etcd looks every five minutes, in which thousands of leases a second
// fill the store.
func (s *Store) forgetHistory(ctx context.Context) {
	used := s.etcd.Server.Backend().SizeInUse()
	s.settled = min(s.settled, used)
	rev := s.etcd.Server.KV().Rev()
	if used-s.settled < s.o.QuotaBytes/8 || rev <= historyKept {
		return
	}
	s.settled = used
	if _, err := s.client.Compact(ctx, rev-historyKept); err != nil {
		s.log.Debug("cannot forget the store's history", "dir", s.o.Dir, "err", err)
	}
}

func (s *Store) setTrouble(err error) {
	s.mu.Lock()
	changed := (err == nil) != (s.trouble == nil)
	s.trouble = err
	s.mu.Unlock()
	if changed && err != nil {
		s.log.Error(err.Error(), "dir", s.o.Dir)
	}
}

func (s *Store) overQuota() bool {
	for _, a := range s.etcd.Server.Alarms() {
		if a.Alarm == etcdserverpb.AlarmType_NOSPACE {
			return true
		}
	}
	return false
}

// relieve drops all history and gives the space back. etcd leaves its alarm
// on until it is told; it is left on while the records themselves are too many.
func (s *Store) relieve(ctx context.Context) error {
	resp, err := s.client.Get(ctx, keyRoot, clientv3.WithCountOnly())
	if err != nil {
		return wrap("compact the store", err)
	}
	// An error here is "already compacted" at worst; the size below decides.
	_, _ = s.client.Compact(ctx, resp.Header.Revision, clientv3.WithCompactPhysical())
	be := s.etcd.Server.Backend()
	if err := be.Defrag(); err != nil {
		return wrap("defragment the store", err)
	}
	if size := be.Size(); size > s.o.QuotaBytes/10*9 {
		return fmt.Errorf("%w: its records take %d MiB of %d MiB: remove machines, images or volumes that are no longer needed, or raise the limit", ErrFull, size>>20, s.o.QuotaBytes>>20)
	}
	full := clientv3.AlarmMember{MemberID: uint64(s.etcd.Server.MemberID()), Alarm: etcdserverpb.AlarmType_NOSPACE}
	if _, err := s.client.AlarmDisarm(ctx, &full); err != nil {
		return wrap("clear the store's alarm", err)
	}
	s.log.Warn("the store was full of history and has been compacted", "dir", s.o.Dir, "bytes", be.Size())
	return nil
}
