package cow

import (
	"fmt"
	"os"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// journal is the open log of an overlay: a ring in the file "journal", all of
// it written once before use, so that an append allocates nothing (a full disk
// must still be able to record) and its sync need not wait for the host file
// system's own journal. Guarded by overlay.mu.
type journal struct {
	file  vfs.File
	size  int64
	start int64 // where replay would start: the newest durable checkpoint
	pos   int64
	seq   uint64 // of the last record
	epoch uint32
	seed  uint32 // of the records' sums

	// open: the checkpoint that opens this epoch is durable; only then may a
	// record be written. It is made at the first change, so that opening and
	// reading a volume writes nothing.
	open bool
	// committed: every set up to this sequence number is durable.
	committed uint64
	// carried: there are data records that replay would redo. A flush that
	// syncs the data must end their life.
	carried bool
	// inherited: what was read may be in the page cache only, left by a
	// process of the same boot. The first flush makes a checkpoint.
	inherited bool
	// changed since the newest checkpoint: these map pages.
	changed pageSet
	buf     [recordSize]byte
}

const (
	defaultLogSize = 1 << 20
	maxLogSize     = 1 << 30
	// logReserve is kept free of sets: a commit and a void, each of which may
	// begin a new sector and ends it, and a sector so that a full ring does
	// not look empty.
	logReserve = 4 * sectorSize
)

// openLog replays the journal over the map.
func (o *overlay) openLog(name string) error {
	d := o.dir.header
	o.log.seq, o.log.committed, o.log.epoch = d.Seq, d.Seq, d.Epoch
	o.log.start, o.log.pos = int64(d.Start), int64(d.Start)
	o.log.seed = logSeed(o.id)
	// A process of this boot may have written in place and been killed: of
	// that no record tells.
	o.unsynced.lose()
	flag := os.O_RDWR
	if d.LogSize == 0 { // the map alone tells all
		flag |= os.O_CREATE
	}
	f, err := o.e.fs.OpenFile(name, flag)
	if err != nil {
		return missing(err)
	}
	o.log.file, o.log.size = f, int64(d.LogSize)
	if d.LogSize == 0 { // a seal came no further; was it killed before its last sync?
		o.log.inherited = d.Boot == o.e.boot
		return nil
	}
	if err := checkOwner(f, journalMagic, uuid.MustParse(o.id), o.log.size, o.log.size); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	ring := make([]byte, d.LogSize)
	if n, err := f.ReadAt(ring, 0); n < len(ring) {
		return fmt.Errorf("read journal: %w: %w", err, block.ErrCorrupt)
	}
	res, err := replay(ring, o.log.start, d.Epoch, d.Seq, o.blocks, o.log.seed)
	if err != nil {
		return err
	}
	o.log.seq, o.log.committed, o.log.pos = res.seq, res.seq, res.pos
	for _, r := range res.durable {
		o.apply(r)
	}
	if (d.Boot != o.e.boot || res.voided) && len(res.carried) > 0 {
		o.carried.Store(&res.carried)
	}
	if d.Boot != o.e.boot {
		o.holes.durable = res.seq
		return nil
	}
	for _, r := range res.unstable {
		o.apply(r)
	}
	// Whoever wrote this may have been killed between a write and its sync:
	// even a commit or a directory is perhaps only in the page cache.
	o.log.inherited = true
	return nil
}

// apply brings a set into the map. The caller holds mu or is alone.
func (o *overlay) apply(r record) (grown int64) {
	first, n := int64(r.Arg), int64(r.Count)
	o.log.changed.add(first>>pageShift, (first+n-1)>>pageShift)
	if o.repaint != nil {
		o.repaint.add(first>>pageShift, (first+n-1)>>pageShift)
	}
	if r.State == zero {
		o.holes.note(&o.own, first, n, r.Seq)
	}
	grown = o.own.set(first, n, r.State)
	o.here += grown
	return grown
}

// room reports whether a set fits.
func (j *journal) room() bool {
	return j.used()+recordSize+logReserve <= j.size
}

func (j *journal) used() int64 {
	if j.size == 0 {
		return 0
	}
	return (j.pos - j.start + j.size) % j.size
}

// append writes a record with the next sequence number.
func (j *journal) append(r record) error {
	r.Epoch, r.Seq = j.epoch, j.seq+1
	if _, err := j.file.WriteAt(r.appendTo(j.buf[:0], j.seed), j.pos); err != nil {
		return fmt.Errorf("append to journal: %w", ioError(err))
	}
	j.seq++
	j.advance(r)
	return nil
}

func (j *journal) advance(r record) {
	j.pos = (j.pos + r.step(j.pos)) % j.size
}

// void declares the sets that no commit covers never to have been. It is a
// plain write and the best that can be done. Before this opening's epoch has
// begun, it ends the epoch that was replayed.
func (j *journal) void() {
	if j.size > 0 {
		_ = j.append(record{Type: recVoid})
	}
	j.open = false
}

// record notes n blocks from first on as s: in the journal, by a plain write
// that survives this process, and then in the map. The caller holds the
// range, and the data is written.
func (o *overlay) record(first, n int64, s state) error {
	for n > 0 {
		part := min(n, maxCount)
		r := record{Type: recSet, State: s, Count: uint32(part), Arg: uint64(first)}
		if err := o.recordOne(r); err != nil {
			return err
		}
		first, n = first+part, n-part
	}
	return nil
}

func (o *overlay) recordOne(r record) error {
	for {
		o.mu.Lock()
		if o.log.open && o.log.room() {
			defer o.mu.Unlock()
			if err := o.log.append(r); err != nil {
				return err
			}
			r.Seq = o.log.seq
			if r.State == zero {
				o.used.Add(o.apply(r))
			} else {
				o.apply(r) // used was raised before the data was written
			}
			return nil
		}
		o.mu.Unlock()
		if err := o.makeRoom(); err != nil {
			return err
		}
	}
}

// makeRoom opens the epoch, or makes a checkpoint that empties the ring.
func (o *overlay) makeRoom() error {
	o.flushMu.Lock()
	defer o.flushMu.Unlock()
	if err := o.failure.get(); err != nil {
		return err
	}
	o.mu.Lock()
	ready := o.log.open && o.log.room()
	o.mu.Unlock()
	if ready { // somebody else did it
		return nil
	}
	return o.checkpoint(false)
}

// pageSet is a set of map pages.
type pageSet []uint64

func newPageSet(n int) pageSet   { return make(pageSet, (n+63)/64) }
func (s pageSet) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s pageSet) add(first, last int64) {
	for i := first; i <= last; i++ {
		s[i/64] |= 1 << (i % 64)
	}
}
