package cow

import (
	"errors"

	"bootes.dev/internal/block"
	"github.com/google/uuid"
)

func (o *overlay) flush() error {
	me := o.arrivals.Add(1)
	o.flushMu.Lock()
	defer o.flushMu.Unlock()
	if o.flushed >= me {
		return nil
	}
	if err := o.failure.get(); err != nil {
		return err
	}
	covers := o.arrivals.Load()
	if err := o.commit(); err != nil {
		return err
	}
	o.flushed = covers
	return nil
}

// commit makes durable what is not: the delta is taken first, so that no set
// comes in whose data the sync may have missed. What is little goes into the
// journal; else the data is synced and then the commit record, if there is
// anything to record. The caller holds flushMu.
func (o *overlay) commit() error {
	o.mu.Lock()
	upTo := o.log.seq
	pending := upTo != o.log.committed || o.log.inherited
	records := pending || o.log.carried
	full := o.log.used() > o.log.size/2 || o.log.inherited
	fits := o.log.open && o.log.used()+2*sectorSize <= o.log.size
	o.mu.Unlock()
	if records && full {
		// A full disk may leave no place for map pages; a commit record has
		// its place reserved.
		if err := o.checkpoint(false); err == nil || !errors.Is(err, block.ErrNoSpace) || !fits {
			return err
		}
	}
	late, many := o.unsynced.take()
	defer late.release()
	if late == nil && !many && !pending {
		return nil
	}
	if records && !many {
		if done, err := o.carry(late, upTo); done {
			return err
		}
	}
	if err := o.data.Sync(); err != nil {
		return o.fail(err)
	}
	if !records {
		return nil
	}
	return o.commitRecord(upTo)
}

func (o *overlay) commitRecord(upTo uint64) error {
	o.mu.Lock()
	err := o.failure.get() // then a void may be there, behind which nothing counts
	if err == nil {
		err = o.log.append(record{Type: recCommit, Arg: upTo})
		o.log.carried = false
	}
	o.mu.Unlock()
	if err != nil {
		return o.fail(err)
	}
	if err := o.log.file.Sync(); err != nil {
		return o.fail(err)
	}
	o.settle(upTo, 1)
	return nil
}

// settle notes that all sets up to a sequence number are durable. The flush
// itself has appended n records.
func (o *overlay) settle(upTo, n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log.seq == upTo+n { // nothing else came after
		upTo = o.log.seq
	}
	o.log.committed = upTo
	o.holes.durable = upTo
}

// delta is what a checkpoint will write: a view of the map that no later set
// changes.
type delta struct {
	pages []deltaPage
	seq   uint64
	opens bool // a new epoch, in which replay starts at 0; else where the journal is now:
	start int64
	here  int64
}

// deltaPage is a page to be written, or an entry if that says all.
type deltaPage struct {
	i       int64
	entry   entry
	encoded *[pageBytes]byte
}

// checkpoint writes the changed map pages and a new directory, which says
// that everything up to now is durable; so the data is synced before. The
// first one of an opening begins a new epoch, in which nothing of an older one
// can be mistaken for a record. The final one, of an overlay that is to be
// sealed, is synced also if the volume is volatile, and says that there is no
// journal any more. The caller holds flushMu.
func (o *overlay) checkpoint(final bool) error {
	sync := final || !o.volatile
	if o.log.inherited { // its directory must be safe before a page or directory it does not use is reused
		if err := o.syncMap(sync); err != nil {
			return err
		}
	}
	if !final {
		if err := o.prepareLog(); err != nil {
			return err
		}
	}
	if err := o.redo(); err != nil {
		return err
	}
	d := o.takeDelta()
	o.unsynced.clear()
	if sync {
		if err := o.data.Sync(); err != nil {
			return o.fail(err)
		}
	}
	next, err := o.writePages(d)
	if err != nil {
		o.giveBack(d)
		return err
	}
	if final {
		next.LogSize, next.Start = 0, 0
	}
	// Pages before the directory that names them: it fits in few sectors and
	// could reach the disk before them.
	if err := o.syncMap(sync); err != nil {
		return err
	}
	if err := writeDirectory(o.mapFile, next); err != nil {
		return o.fail(err) // it may be there or not: only reopening tells
	}
	if err := o.syncMap(sync); err != nil {
		return err
	}
	o.adopt(next, d.opens)
	return nil
}

func (o *overlay) syncMap(sync bool) error {
	if !sync {
		return nil
	}
	if err := o.mapFile.Sync(); err != nil {
		return o.fail(err)
	}
	return nil
}

// prepareLog makes the journal anew, if the map says that there is none.
func (o *overlay) prepareLog() error {
	if o.log.size != 0 {
		return nil
	}
	if err := o.prepareMap(); err != nil {
		return err
	}
	if err := o.writeRing(); err != nil {
		return err
	}
	if o.volatile {
		return nil
	}
	if err := o.e.fs.SyncDir(o.folder); err != nil {
		return o.fail(err)
	}
	return nil
}

// writeRing writes the whole ring once, and prepareMap both directories, so
// that they are allocated: a full disk must not stand in the way of a record.
func (o *overlay) writeRing() error {
	size := o.e.o.JournalSize
	if err := o.log.file.Truncate(size + sectorSize); err != nil { // one of another length may lie there
		return ioError(err)
	}
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := o.log.file.WriteAt(zeros[:min(size-off, int64(len(zeros)))], off); err != nil {
			return ioError(err)
		}
	}
	if _, err := o.log.file.WriteAt(encodeOwner(journalMagic, uuid.MustParse(o.id), size), size); err != nil {
		return ioError(err)
	}
	if !o.volatile {
		if err := o.log.file.Sync(); err != nil {
			return o.fail(err)
		}
	}
	o.mu.Lock()
	o.log.size = size
	o.mu.Unlock()
	return nil
}

func (o *overlay) prepareMap() error {
	if err := writeDirectory(o.mapFile, &o.dir); err != nil { // as it is
		return ioError(err)
	}
	n := dirSize(o.blocks)
	if _, err := o.mapFile.WriteAt(make([]byte, n), int64((o.dir.Gen+1)%2)*n); err != nil {
		return ioError(err)
	}
	return o.syncMap(!o.volatile)
}

func (o *overlay) takeDelta() delta {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := delta{seq: o.log.seq, here: o.here, opens: !o.log.open}
	for i := range o.own.pages {
		if !o.log.changed.has(i) {
			continue
		}
		page := o.own.pages[i].Load()
		p := deltaPage{i: int64(i)}
		var uniform bool
		if p.entry, uniform = uniformEntry(page); !uniform {
			p.encoded = new([pageBytes]byte)
			page.encode(p.encoded)
		}
		d.pages = append(d.pages, p)
	}
	clear(o.log.changed)
	if !d.opens {
		d.start = o.log.pos
	}
	return d
}

// giveBack marks the pages of a checkpoint that could not be written.
func (o *overlay) giveBack(d delta) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unsynced.lose()
	for _, p := range d.pages {
		o.log.changed.add(p.i, p.i)
	}
}

// writePages stores the changed pages and returns the directory that will
// name them.
func (o *overlay) writePages(d delta) (*directory, error) {
	next := &directory{o.dir.header, append([]entry(nil), o.dir.entries...)}
	next.Gen++
	next.Seq, next.Start, next.LogSize, next.Here = d.seq, uint64(d.start), uint64(o.log.size), uint64(d.here)
	if d.opens {
		next.Epoch++
		next.Boot = o.e.boot
	}
	w := pageWriter{file: o.mapFile, blocks: o.blocks}
	for _, p := range d.pages {
		e := p.entry
		if p.encoded != nil {
			var err error
			if e, err = w.write(p.i, p.encoded, o.dir.entries[p.i]); err != nil {
				return nil, ioError(err)
			}
		}
		next.entries[p.i] = e
	}
	if err := w.flush(); err != nil {
		return nil, ioError(err)
	}
	return next, nil
}

// adopt makes a checkpoint that is durable the current one. If the volume has
// failed meanwhile, its journal stays closed.
func (o *overlay) adopt(next *directory, opens bool) {
	o.dir = *next
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failure.get() != nil {
		return
	}
	if opens {
		o.log.epoch, o.log.pos = next.Epoch, 0
		o.log.open, o.log.inherited = true, false
	}
	if next.LogSize == 0 { // a change, should one come, makes the journal anew
		o.log.open, o.log.size, o.log.pos = false, 0, 0
	}
	o.carried.Store(nil)
	o.log.start, o.log.carried = int64(next.Start), false
	o.log.committed = max(o.log.committed, next.Seq)
	o.holes.durable = o.log.committed
}

// preflush brings to the disk what has come so far, before changes must stand
// still for the rest: a checkpoint, and the data also of a volatile volume.
func (o *overlay) preflush() error {
	o.flushMu.Lock()
	defer o.flushMu.Unlock()
	if err := o.failure.get(); err != nil {
		return err
	}
	if o.volatile {
		if err := o.data.Sync(); err != nil {
			return o.fail(err)
		}
		return nil
	}
	if o.isLogged() {
		return o.checkpoint(false)
	}
	return o.commit()
}

// settleAll is a flush that leaves nothing to the journal, unless the disk is
// too full for a checkpoint.
func (o *overlay) settleAll() error {
	o.flushMu.Lock()
	defer o.flushMu.Unlock()
	if err := o.failure.get(); err != nil {
		return err
	}
	if o.isLogged() {
		if err := o.checkpoint(false); err == nil || !errors.Is(err, block.ErrNoSpace) {
			return err
		}
	}
	if o.volatile {
		return nil
	}
	return o.commit()
}

// isLogged reports whether the journal tells anything that the map does not.
func (o *overlay) isLogged() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.used() > 0 || o.log.inherited
}
