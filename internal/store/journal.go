package store

import (
	"errors"
	"fmt"
	"log/slog"
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
	// fullBytes may wait for etcd; then nothing is appended any more.
	fullBytes = 15 * journalBytes
)

// journal holds what ledgers have appended and etcd may not have yet. It is a
// row of files with growing numbers for names, each written once from its beginning,
// record behind record (record.go). One that does not add up is the end of the last
// file: nobody was told that it is there. With a record behind it, or in another file,
// it is damage, since a record is written when all before it is on disk.
//
// It is read only at a start, from the position that etcd has had of it.
//
// Nobody waits for company: who comes first writes, for himself and for those who
// came while the record before was written.
//
// Lock order: draining, writing, mu.
type journal struct {
	dir    string
	log    *slog.Logger
	fail   func(error)         // what is written cannot be synced: ends the process
	synced func(time.Duration) // told of each write; may be nil

	writing sync.Mutex        // held by who writes
	file    *os.File          // nil: none yet
	size    int64             // of what is in it
	number  uint64            // of the last file
	buf     []byte            // of the record before
	refused map[string][]byte // could not be written, and is in memory: goes with the next record
	broken  error             // of a write or a sync: final

	mu      sync.Mutex
	next    *batch            // of those whose turn has not come; nil: nobody's
	late    map[string][]byte // on disk here and not in etcd; nil: removed
	end     position          // of what is on disk
	full    []closedFile
	trouble error // of the last time that they were to be removed

	some     chan struct{} // something is late
	draining sync.Mutex    // held by who writes to etcd
}

// position is a place between two records: a file's number, and bytes from its
// beginning.
type position struct {
	file uint64
	at   int64
}

// closedFile is one that nobody writes to any more.
type closedFile struct {
	name  string
	bytes int64
}

// batch is what is written at once.
type batch struct {
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

func newJournal(o Options) *journal {
	return &journal{
		dir: filepath.Join(o.Dir, journalFolder), log: o.Log, fail: func(err error) { o.fatal(err.Error()) }, synced: o.Synced,
		refused: map[string][]byte{}, late: map[string][]byte{}, some: make(chan struct{}, 1),
	}
}

func (j *journal) append(changes []change) Appended {
	if len(changes) == 0 {
		return Appended{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.next == nil
	if first {
		j.next = &batch{done: make(chan struct{})}
	}
	b := j.next
	b.changes = append(b.changes, changes...)
	return Appended{j: j, batch: b, first: first}
}

// Wait returns once all of it is on disk. If it fails, nothing is yet: it will be with
// what is appended next. Who has called Append calls it, for others may wait for that.
func (a Appended) Wait() error {
	if a.batch == nil {
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
	changes := b.changes
	if len(j.refused) > 0 {
		changes = nil
		for key, v := range j.refused {
			changes = append(changes, change{key, v})
		}
		changes = append(changes, b.changes...)
	}
	if b.err = j.put(changes); b.err != nil {
		for _, c := range b.changes {
			j.refused[c.key] = c.value
		}
		return
	}
	clear(j.refused)
	j.mu.Lock()
	for _, c := range changes {
		j.late[c.key] = c.value
	}
	j.end = position{j.number, j.size}
	j.mu.Unlock()
	j.signal()
}

func (j *journal) signal() {
	select {
	case j.some <- struct{}{}:
	default:
	}
}

// put writes changes as one record behind those that are there, and syncs it.
func (j *journal) put(changes []change) error {
	if j.broken != nil {
		return j.broken
	}
	j.buf = appendRecord(j.buf[:0], changes)
	if j.file == nil || j.size+int64(len(j.buf)) > journalBytes {
		if err := j.turn(); err != nil {
			return err
		}
	}
	began := time.Now()
	if _, err := j.file.WriteAt(j.buf, j.size); err != nil { // O_DSYNC
		j.broken = fmt.Errorf("write the store's journal: %w", err)
		j.fail(j.broken)
		return j.broken
	}
	j.size += int64(len(j.buf))
	if j.synced != nil {
		j.synced(time.Since(began))
	}
	return nil
}

// turn begins the next file.
func (j *journal) turn() error {
	j.mu.Lock()
	trouble, bytes := j.trouble, int64(0)
	for _, f := range j.full {
		bytes += f.bytes
	}
	j.mu.Unlock()
	if bytes >= fullBytes {
		if trouble == nil {
			trouble = errors.New("it has not come to it yet")
		}
		return fmt.Errorf("the store's journal is full, since etcd takes nothing of it: %w", trouble)
	}
	number := j.number + 1
	f, err := createJournal(j.name(number))
	for errors.Is(err, os.ErrExist) { // it could not be made whole, nor removed
		number++
		f, err = createJournal(j.name(number))
	}
	if err != nil {
		return fmt.Errorf("make the next file of the store's journal: %w", err)
	}
	if j.file != nil {
		j.file.Close()
		j.mu.Lock()
		j.full = append(j.full, closedFile{j.file.Name(), j.size})
		j.mu.Unlock()
	}
	j.file, j.size, j.number = f, 0, number
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
	if err = fill(f, journalBytes); err != nil {
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

// load reads what a server that did not come to its end has left behind a position.
// The files remain until etcd has all of it.
func (j *journal) load(from position) error {
	entries, err := os.ReadDir(j.dir) // in the order of their names
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the store's journal: %w", err)
	}
	j.end = from
	for i, e := range entries {
		name := filepath.Join(j.dir, e.Name())
		number, err := strconv.ParseUint(e.Name(), 16, 64)
		if err != nil || j.name(number) != name {
			return fmt.Errorf("read the store's journal: %q is no file of it: move it away", name)
		}
		if number < from.file {
			j.full = append(j.full, closedFile{name: name})
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the store's journal: %w", err)
		}
		at := 0
		if number == from.file {
			at = min(int(from.at), len(b))
		}
		at = j.replay(b, at)
		torn := !allZero(b[at:])
		if torn && (i < len(entries)-1 || anyRecord(b[at+1:])) {
			return fmt.Errorf("read the store's journal: %q is damaged at byte %d: bring it back from a backup, or move it away, and what was acknowledged in its last seconds with it", name, at)
		}
		if torn {
			j.log.Info("the end of the store's journal was never acknowledged, and is cut", "file", name, "at", at)
		}
		if err := trim(name, int64(at)); err != nil {
			return fmt.Errorf("trim the store's journal: %w", err)
		}
		j.full = append(j.full, closedFile{name, int64(at)})
		j.end = position{number, int64(at)}
	}
	j.number = j.end.file
	if len(entries) == 0 {
		return nil
	}
	return syncDir(j.dir)
}

// trim ends a file where its last record ends, and syncs what its writer had perhaps
// no time to: what follows in other files stands on it.
func trim(name string, at int64) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Truncate(at), f.Sync())
}

// replay takes over the changes of a file behind a place, and says where its last
// record ends.
func (j *journal) replay(b []byte, at int) (end int) {
	for rest := b[at:]; ; {
		changes, r, err := readRecord(rest)
		if err != nil {
			return len(b) - len(rest)
		}
		for _, c := range changes {
			j.late[c.key] = c.value
		}
		rest = r
	}
}

// take is all that is late, the position behind it, and the files that hold it and
// are written no more.
func (j *journal) take() (late map[string][]byte, end position, full []closedFile) {
	j.mu.Lock()
	defer j.mu.Unlock()
	late = j.late
	j.late = map[string][]byte{}
	return late, j.end, slices.Clone(j.full)
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
func (j *journal) forget(full []closedFile) (err error) {
	gone := 0
	for _, f := range full {
		if err = j.remove(f.name); err != nil {
			break
		}
		gone++
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full, j.trouble = j.full[gone:], err
	return err
}

// remove is content with a file that is gone: the sync may have failed the last time.
func (j *journal) remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncDir(j.dir)
}

// close ends the last file, and removes it if etcd has all that it holds.
func (j *journal) close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.broken = ErrClosed
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.mu.Lock()
	late := len(j.late) > 0
	j.mu.Unlock()
	if late || err != nil {
		return err
	}
	return j.remove(j.file.Name())
}
