package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

const (
	// behindTime is how long what a ledger appends waits for more, to be written to
	// etcd with it. What comes in so long takes etcd a few milliseconds: of more at
	// once, answers that are due meanwhile would feel it.
	behindTime = 20 * time.Millisecond
	// behindAgain is the pause after etcd has taken nothing.
	behindAgain = time.Second
	closeTime   = 5 * time.Second

	positionKey    = "/bootes/v1.journal"
	positionFormat = "%016x %d" // file, bytes
)

// A Ledger is a collection with one writer, who has all of it in memory and so
// decides without asking: the DHCP leases. What is appended is on disk, in the
// store's journal, when Wait returns; the sync is all that it costs. Etcd has it by
// transaction within a second, or at the next start.
type Ledger[T any] struct {
	s *Store
	c *Collection[T]
}

// Change gives a record of a ledger a value, or removes it.
type Change[T any] struct {
	Key   string
	Value *T // nil: it is removed
}

// LedgerOf is the ledger of that name, which is part of the stored format.
func LedgerOf[T any](s *Store, name string) *Ledger[T] { return &Ledger[T]{s, Of[T](s, name)} }

// Append takes changes that come true together, after all that was appended before.
func (l *Ledger[T]) Append(changes ...Change[T]) Appended {
	cs := make([]change, len(changes))
	for i, c := range changes {
		cs[i].key = l.c.prefix + c.Key
		if c.Value == nil {
			continue
		}
		v, err := json.Marshal(c.Value)
		if err != nil {
			return Appended{err: fmt.Errorf("encode %s %q: %w", l.c.name, c.Key, err)}
		}
		cs[i].value = v
	}
	if l.s.closing.Err() != nil {
		return Appended{err: ErrClosed}
	}
	return l.s.journal.append(cs)
}

// List reads all records, as they were left by what is on disk, in the order of
// their keys.
func (l *Ledger[T]) List(ctx context.Context) ([]Record[T], error) {
	j := l.s.journal
	j.draining.Lock() // so all is either in etcd or late
	defer j.draining.Unlock()
	kvs, _, err := l.s.read(ctx, l.c.prefix, endOf(l.c.prefix), mvcc.RangeOptions{})
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	kvs = overlay(kvs, j.late, l.c.prefix)
	j.mu.Unlock()
	return l.c.decodeAll(kvs)
}

// writeBehind writes to etcd what ledgers have appended, until ctx ends.
func (s *Store) writeBehind(ctx context.Context) {
	wait := behindTime
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.journal.some:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		switch err := s.drain(ctx); {
		case err == nil:
			wait = behindTime
		case ctx.Err() == nil:
			if wait == behindTime {
				s.warnJournal(err)
			}
			wait = behindAgain
			s.journal.signal()
		}
	}
}

// openJournal takes over what the journal holds of a server that did not come to
// its end.
func (s *Store) openJournal(ctx context.Context) error {
	from, err := s.journalPosition(ctx)
	if err != nil {
		return err
	}
	j := newJournal(s.o)
	if err := j.load(from); err != nil {
		return err
	}
	s.journal = j
	j.signal()
	return nil
}

// closeJournal leaves nothing in the journal, if etcd takes it.
func (s *Store) closeJournal() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.drain(ctx)
	if err != nil {
		s.warnJournal(err)
	}
	return s.journal.close()
}

func (s *Store) warnJournal(err error) {
	s.log.Warn("the store's journal cannot be emptied; nothing is lost", "dir", s.o.Dir, "err", err)
}

// journalPosition is up to where etcd has what the journal held.
func (s *Store) journalPosition(ctx context.Context) (p position, err error) {
	kvs, _, err := s.read(ctx, positionKey, "", mvcc.RangeOptions{})
	if err != nil || len(kvs) == 0 {
		return p, err
	}
	if _, err := fmt.Sscanf(string(kvs[0].Value), positionFormat, &p.file, &p.at); err != nil || p.at < 0 {
		return p, fmt.Errorf("read the store's journal: its position in etcd is %q", kvs[0].Value)
	}
	return p, nil
}

// drain writes to etcd all that is on disk in the journal, then its position, and
// removes the files that are no longer needed.
func (s *Store) drain(ctx context.Context) error {
	j := s.journal
	j.draining.Lock()
	defer j.draining.Unlock()
	late, end, full := j.take()
	if err := s.writeLate(ctx, late, end); err != nil {
		j.giveBack(late, err)
		return err
	}
	return j.forget(full)
}

// writeLate takes out of late what it has written.
func (s *Store) writeLate(ctx context.Context, late map[string][]byte, end position) error {
	if len(late) == 0 {
		return nil
	}
	b := &bundle{writes: map[string][]byte{}}
	put := func(key string, v []byte) error {
		if size := len(key) + len(v); len(b.writes) == maxTxnOps || b.bytes+size > groupBytes {
			if err := s.write(ctx, b); err != nil {
				return err
			}
			for key := range b.writes {
				delete(late, key)
			}
			b = &bundle{writes: map[string][]byte{}}
		}
		b.writes[key] = v
		b.bytes += len(key) + len(v)
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(late)) {
		if err := put(key, late[key]); err != nil {
			return err
		}
	}
	if err := put(positionKey, fmt.Appendf(nil, positionFormat, end.file, end.at)); err != nil {
		return err
	}
	if err := s.write(ctx, b); err != nil {
		return err
	}
	clear(late)
	return nil
}
