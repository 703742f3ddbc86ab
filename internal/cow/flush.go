package cow

import (
	"errors"

	"bootes.dev/internal/block"
)

// Flush makes every change acknowledged before the call durable. It joins
// only a sync that began after it arrived.
func (v *Volume) Flush() error {
	if err := v.begin(0, 0); err != nil {
		return err
	}
	defer v.end()
	if !v.meta.Volatile {
		if err := v.flush(); err != nil {
			return err
		}
	}
	v.startPunching()
	return nil
}

func (v *Volume) flush() error {
	me := v.arrivals.Add(1)
	v.flushMu.Lock()
	defer v.flushMu.Unlock()
	if v.flushed >= me {
		return nil
	}
	if err := v.syncFailure(); err != nil {
		return err
	}
	covers := v.arrivals.Load()
	if err := v.commit(); err != nil {
		return err
	}
	v.flushed = covers
	return nil
}

// commit makes durable what is not: the delta is taken first, so that no set
// comes in whose data the sync may have missed; then the data, then the commit
// record, each synced. The caller holds flushMu.
func (v *Volume) commit() error {
	v.mu.Lock()
	upTo := v.log.seq
	pending := upTo != v.log.committed || v.log.inherited
	full := v.log.used() > v.log.size/2 || v.log.inherited
	fits := v.log.open && v.log.used()+2*sectorSize <= v.log.size
	v.mu.Unlock()
	if pending && full {
		// A full disk may leave no place for map pages; a commit record has
		// its place reserved.
		if err := v.checkpoint(); err == nil || !errors.Is(err, block.ErrNoSpace) || !fits {
			return err
		}
	}
	if !v.dirty.Swap(false) && !pending {
		return nil
	}
	if err := v.data.Sync(); err != nil {
		return v.fail(err)
	}
	if !pending {
		return nil
	}
	return v.commitRecord(upTo)
}

func (v *Volume) commitRecord(upTo uint64) error {
	v.mu.Lock()
	err := v.log.append(record{Type: recCommit, Arg: upTo})
	v.mu.Unlock()
	if err != nil {
		return v.fail(err)
	}
	if err := v.log.file.Sync(); err != nil {
		return v.fail(err)
	}
	v.settle(upTo)
	return nil
}

// settle notes that all sets up to a sequence number are durable.
func (v *Volume) settle(upTo uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.log.seq == upTo+1 { // nothing came after but our commit record
		upTo = v.log.seq
	}
	v.log.committed = upTo
	v.holes.durable = upTo
}

// snapshot is what a checkpoint will write: a view of the map that no later
// set changes.
type snapshot struct {
	pages map[int]*page
	seq   uint64
	start int64
}

// checkpoint writes the changed map pages and a new directory, which says
// that everything up to now is durable; so the data is synced before. The
// first one of an opening begins a new epoch, in which nothing of an older one
// can be mistaken for a record. The caller holds flushMu.
func (v *Volume) checkpoint() error {
	if err := v.prepareLog(); err != nil {
		return err
	}
	if v.log.inherited { // its directory must be safe before a page it does not use is reused
		if err := v.syncMap(); err != nil {
			return err
		}
	}
	snap := v.takeSnapshot()
	v.dirty.Store(false)
	if !v.meta.Volatile {
		if err := v.data.Sync(); err != nil {
			return v.fail(err)
		}
	}
	next, err := v.writePages(snap)
	if err != nil {
		v.giveBack(snap)
		return err
	}
	// Pages before the directory that names them: it fits in few sectors and
	// could reach the disk before them.
	if err := v.syncMap(); err != nil {
		return err
	}
	if err := writeDirectory(v.mapFile, next); err != nil {
		return v.fail(err) // it may be there or not: only reopening tells
	}
	if err := v.syncMap(); err != nil {
		return err
	}
	v.adopt(next)
	return nil
}

func (v *Volume) syncMap() error {
	if v.meta.Volatile {
		return nil
	}
	if err := v.mapFile.Sync(); err != nil {
		return v.fail(err)
	}
	return nil
}

// prepareLog writes the whole ring and both directories once, so that they
// are allocated: a full disk must not stand in the way of a record.
func (v *Volume) prepareLog() error {
	if v.log.size != 0 {
		return nil
	}
	if err := v.prepareMap(); err != nil {
		return err
	}
	size := v.e.journalSize
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := v.log.file.WriteAt(zeros[:min(size-off, int64(len(zeros)))], off); err != nil {
			return ioError(err)
		}
	}
	if !v.meta.Volatile {
		if err := v.log.file.Sync(); err != nil {
			return v.fail(err)
		}
		if err := v.e.fs.SyncDir(v.e.path("volumes", v.meta.ID)); err != nil {
			return v.fail(err)
		}
	}
	v.mu.Lock()
	v.log.size = size
	v.mu.Unlock()
	return nil
}

func (v *Volume) prepareMap() error {
	if err := writeDirectory(v.mapFile, &v.dir); err != nil { // as it is
		return ioError(err)
	}
	n := dirSize(v.blocks)
	if _, err := v.mapFile.WriteAt(make([]byte, n), int64((v.dir.Gen+1)%2)*n); err != nil {
		return ioError(err)
	}
	return v.syncMap()
}

func (v *Volume) takeSnapshot() snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	snap := snapshot{pages: map[int]*page{}, seq: v.log.seq}
	for i := range v.own.pages {
		if !v.log.changed.has(i) {
			continue
		}
		p := v.own.pages[i].Load()
		if p != nil && p != allHere && p != allZero {
			p = p.clone()
		}
		snap.pages[i] = p
	}
	clear(v.log.changed)
	if v.log.open {
		snap.start = v.log.pos
	}
	return snap
}

// giveBack marks the pages of a checkpoint that could not be written.
func (v *Volume) giveBack(snap snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dirty.Store(true)
	for i := range snap.pages {
		v.log.changed.add(int64(i), int64(i))
	}
}

// writePages stores the changed pages and returns the directory that will
// name them.
func (v *Volume) writePages(snap snapshot) (*directory, error) {
	next := &directory{v.dir.header, append([]entry(nil), v.dir.entries...)}
	next.Gen++
	next.Seq, next.Start, next.LogSize = snap.seq, uint64(snap.start), uint64(v.log.size)
	if !v.log.open {
		next.Epoch++
		next.Boot = v.e.boot
	}
	for i, p := range snap.pages {
		var err error
		if next.entries[i], err = writePage(v.mapFile, v.blocks, int64(i), p, v.dir.entries[i]); err != nil {
			return nil, ioError(err)
		}
	}
	return next, nil
}

// adopt makes a checkpoint that is durable the current one.
func (v *Volume) adopt(next *directory) {
	v.dir = *next
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.log.open {
		v.log.epoch, v.log.pos = next.Epoch, 0
		v.log.open, v.log.inherited = true, false
	}
	v.log.start = int64(next.Start)
	v.log.committed = max(v.log.committed, next.Seq)
	v.holes.durable = v.log.committed
}
