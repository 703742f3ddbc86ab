package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	journalFolder = "journal"
	// journalBytes is the size of one of the journal's files, allocated when it is
	// made: what is written to it later needs no new blocks, and its sync is short.
	journalBytes = 4 << 20
	// journalFiles may wait for etcd; then nothing is appended any more.
	journalFiles = 16
)

// journal holds what ledgers have appended and etcd may not have yet. It is a
// row of files with growing numbers for names, each written once from its beginning,
// record behind record (record.go). One that does not add up is the end of the last
// file: nobody was told that it is there. In another file it is damage, since a
// file is begun when all that the one before holds is on disk.
//
// It is read only at a start, and then all of it, in order, so it does not matter
// how much of it etcd has.
//
// Nobody waits for company: who comes first writes, for himself and for those who
// came while the record before was written.
//
// Lock order: draining, writing, mu.
type journal struct {
	dir    string
	fail   func(error)         // what is written cannot be synced: ends the process
	synced func(time.Duration) // told of each write; may be nil

	writing sync.Mutex // held by who writes
	file    *os.File   // nil: none yet
	size    int64      // of what is in it
	number  uint64     // its name
	broken  error      // of a write or a sync: final

	mu      sync.Mutex
	next    *batch            // of those whose turn has not come; nil: nobody's
	late    map[string][]byte // on disk here and not in etcd; nil: removed
	full    []string          // files that nobody writes to any more
	trouble error             // of the last time that they were to be removed

	some     chan struct{} // something is late
	draining sync.Mutex    // held by who writes to etcd
}

// batch is what is written at once.
type batch struct {
	record  []byte
	changes []change
	done    chan struct{}
	err     error
}

// change is one of a record: its key in etcd and its new value; nil: removed.
type change struct {
	key   string
	value []byte
}

// Appended is what Append has taken and is not on disk yet.
type Appended struct {
	j     *journal
	batch *batch
	first bool
	err   error
}

func newJournal(dir string, fail func(error)) *journal {
	return &journal{dir: filepath.Join(dir, journalFolder), fail: fail, late: map[string][]byte{}, some: make(chan struct{}, 1)}
}

func (j *journal) append(changes []change) Appended {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.next == nil
	if first {
		j.next = &batch{done: make(chan struct{})}
	}
	b := j.next
	b.record = appendRecord(b.record, changes)
	b.changes = append(b.changes, changes...)
	return Appended{j: j, batch: b, first: first}
}

// Wait returns once all of it is on disk, or nothing of it counts. Who has called
// Append calls it, for others may wait for that.
func (a Appended) Wait() error {
	if a.err != nil {
		return a.err
	}
	if a.first {
		a.j.write(a.batch)
	}
	<-a.batch.done
	return a.batch.err
}

func (j *journal) write(b *batch) {
	defer close(b.done)
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	j.next = nil
	j.mu.Unlock()
	if b.err = j.put(b.record); b.err != nil {
		return
	}
	j.mu.Lock()
	for _, c := range b.changes {
		j.late[c.key] = c.value
	}
	j.mu.Unlock()
	j.signal()
}

func (j *journal) signal() {
	select {
	case j.some <- struct{}{}:
	default:
	}
}

// put writes records behind those that are there, and syncs them.
func (j *journal) put(records []byte) error {
	if j.broken != nil {
		return j.broken
	}
	if j.file == nil || j.size+int64(len(records)) > journalBytes {
		if err := j.turn(); err != nil {
			return err
		}
	}
	began := time.Now()
	if _, err := j.file.WriteAt(records, j.size); err != nil { // O_DSYNC
		j.broken = fmt.Errorf("write the store's journal: %w", err)
		j.fail(j.broken)
		return j.broken
	}
	j.size += int64(len(records))
	if j.synced != nil {
		j.synced(time.Since(began))
	}
	return nil
}

// turn begins the next file.
func (j *journal) turn() error {
	j.mu.Lock()
	full, trouble := len(j.full), j.trouble
	j.mu.Unlock()
	if full >= journalFiles {
		if trouble == nil {
			trouble = errors.New("it has not come to it yet")
		}
		return fmt.Errorf("the store's journal is full, since etcd takes nothing of it: %w", trouble)
	}
	f, err := createJournal(j.name(j.number + 1))
	if err != nil {
		return fmt.Errorf("make the next file of the store's journal: %w", err)
	}
	if j.file != nil {
		j.file.Close()
		j.mu.Lock()
		j.full = append(j.full, j.name(j.number))
		j.mu.Unlock()
	}
	j.file, j.size, j.number = f, 0, j.number+1
	return nil
}

func (j *journal) name(number uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%016x", number))
}

// createJournal makes a file with all its blocks, and syncs its name.
func createJournal(name string) (f *os.File, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_DSYNC, 0o600); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(name)
		}
	}()
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Fallocate(int(f.Fd()), 0, 0, journalBytes)
	}
	if err == unix.EOPNOTSUPP {
		err = f.Truncate(journalBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("allocate %q: %w", name, err)
	}
	return f, errors.Join(f.Sync(), syncDir(filepath.Dir(name)), syncDir(filepath.Dir(filepath.Dir(name))))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// load reads what a server that did not come to its end has left. The files
// remain until etcd has all of it.
func (j *journal) load() error {
	entries, err := os.ReadDir(j.dir) // in the order of their names
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the store's journal: %w", err)
	}
	for i, e := range entries {
		name := filepath.Join(j.dir, e.Name())
		if j.number, err = strconv.ParseUint(e.Name(), 16, 64); err != nil || j.name(j.number) != name {
			return fmt.Errorf("read the store's journal: %q is no file of it: move it away", name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the store's journal: %w", err)
		}
		whole, at := j.replay(b)
		switch {
		case whole:
		case i < len(entries)-1:
			return fmt.Errorf("read the store's journal: %q is damaged at byte %d: bring it back from a backup, or move it away, and what was acknowledged in its last seconds with it", name, at)
		default: // it will not be the last for long
			if err := cutJournal(name, int64(at)); err != nil {
				return fmt.Errorf("cut the end of the store's journal: %w", err)
			}
		}
		j.full = append(j.full, name)
	}
	return nil
}

// cutJournal ends a file where its last record ends.
func cutJournal(name string, at int64) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Truncate(at), f.Sync())
}

// replay takes over the changes of a file up to its end, and says where that is
// and whether it is the one that its writer made.
func (j *journal) replay(b []byte) (whole bool, at int) {
	rest := b
	for len(rest) > 0 {
		changes, r, err := readRecord(rest)
		if err != nil {
			return errors.Is(err, errEnd), len(b) - len(rest)
		}
		for _, c := range changes {
			j.late[c.key] = c.value
		}
		rest = r
	}
	return true, len(b)
}

// take is all that is late, and the files that hold it and are written no more.
func (j *journal) take() (late map[string][]byte, full []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	late, full = j.late, slices.Clone(j.full)
	j.late = map[string][]byte{}
	return late, full
}

// giveBack is for what etcd has not taken.
func (j *journal) giveBack(late map[string][]byte, trouble error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.trouble = trouble
	for key, v := range late {
		if _, newer := j.late[key]; !newer {
			j.late[key] = v
		}
	}
}

// forget removes files whose changes are all in etcd, each before those after it:
// what it holds is older.
func (j *journal) forget(full []string) (err error) {
	gone := 0
	for _, name := range full {
		if err = errors.Join(os.Remove(name), syncDir(j.dir)); err != nil {
			break
		}
		gone++
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full, j.trouble = j.full[gone:], err
	return err
}

// close ends the last file, and removes it if etcd has all that it holds.
func (j *journal) close(drained bool) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	if !drained || err != nil {
		return err
	}
	return errors.Join(os.Remove(j.name(j.number)), syncDir(j.dir))
}
