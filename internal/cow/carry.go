package cow

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
)

// A small flush puts what was written since the one before into the journal,
// with the records of where it belongs: one sync of a few neighbouring sectors
// instead of two syncs. The data goes to its place all the same, and the next
// checkpoint, or flush that is too large for this, syncs it there.

// carryMax bounds what a flush may carry: eight blocks, one by one.
const carryMax = 8 * (recordSize + BlockSize)

// batch is data on its way into the journal: for each piece the head of its
// record, of which only place and length are filled in yet, and its sectors.
type batch struct{ buf []byte }

var batches = sync.Pool{New: func() any {
	return &batch{make([]byte, 0, carryMax+recordSize)}
}}

// release is for nil, too.
func (b *batch) release() {
	if b != nil {
		b.buf = b.buf[:0]
		batches.Put(b)
	}
}

// add reports false if there is no room for p.
func (b *batch) add(p []byte, off int64) bool {
	if len(b.buf)+recordSize+len(p) > carryMax {
		return false
	}
	var head [recordSize]byte
	binary.LittleEndian.PutUint16(head[6:], uint16(len(p)/sectorSize))
	binary.LittleEndian.PutUint64(head[24:], uint64(off/sectorSize))
	b.buf = append(append(b.buf, head[:]...), p...)
	return true
}

// seal completes the records, numbered from seq+1 on, and adds the last one,
// which makes them count. It returns how many there are.
func (b *batch) seal(epoch, seed uint32, seq, upTo uint64) (n uint64) {
	for at := 0; at < len(b.buf); n++ {
		r := record{
			Type: recData, Sectors: binary.LittleEndian.Uint16(b.buf[at+6:]), Epoch: epoch,
			Seq: seq + n + 1, Arg: binary.LittleEndian.Uint64(b.buf[at+24:]),
		}
		end := at + int(r.step(0))
		r.Count = crc32.Checksum(b.buf[at+recordSize:end], castagnoli)
		r.appendTo(b.buf[at:at:end], seed)
		at = end
	}
	n++
	b.buf = record{Type: recCarry, Epoch: epoch, Seq: seq + n, Arg: upTo}.appendTo(b.buf, seed)
	return n
}

// unsynced is what has been written to a data file and neither synced there
// nor carried in the journal.
type unsynced struct {
	// many: more than a batch, or it is not known what.
	many  atomic.Bool
	mu    sync.Mutex
	batch *batch // nil: nothing
}

// note comes after the write, and before its set: so whoever takes the number
// of the last set first, and then the batch, has the data of all those sets.
func (u *unsynced) note(p []byte, off int64) {
	if u.many.Load() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.batch == nil {
		u.batch = batches.Get().(*batch)
	}
	if !u.batch.add(p, off) {
		u.forget()
	}
}

// lose notes that something was written, but not what.
func (u *unsynced) lose() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
}

func (u *unsynced) forget() {
	u.many.Store(true)
	u.batch.release()
	u.batch = nil
}

// take empties it. The caller makes durable what it was, or loses it.
func (u *unsynced) take() (b *batch, many bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b, u.batch = u.batch, nil
	return b, u.many.Swap(false)
}

// clear is for whoever is about to sync the data file.
func (u *unsynced) clear() {
	b, _ := u.take()
	b.release()
}

// carry is a flush by one sync of the journal. It reports false if there is
// no room. The caller holds flushMu.
func (o *overlay) carry(b *batch, upTo uint64) (done bool, err error) {
	if b == nil {
		b = batches.Get().(*batch)
		defer b.release()
	}
	o.mu.Lock()
	if err := o.failure.get(); err != nil { // as for a commit
		o.mu.Unlock()
		return true, err
	}
	if !o.log.open || o.log.used()+int64(len(b.buf))+recordSize+logReserve > o.log.size {
		o.mu.Unlock()
		return false, nil
	}
	hasData := len(b.buf) > 0
	n, err := o.log.carry(b, upTo)
	o.log.carried = o.log.carried || hasData
	o.mu.Unlock()
	if err == nil {
		err = o.log.file.Sync()
	}
	if err != nil {
		return true, o.fail(err)
	}
	o.settle(upTo, n)
	return true, nil
}

// carry appends the batch and returns of how many records.
func (j *journal) carry(b *batch, upTo uint64) (n uint64, err error) {
	n = b.seal(j.epoch, j.seed, j.seq, upTo)
	p := b.buf
	if room := j.size - j.pos; int64(len(p)) > room { // around the end
		if _, err := j.file.WriteAt(p[room:], 0); err != nil {
			return n, fmt.Errorf("append to journal: %w", ioError(err))
		}
		p = p[:room]
	}
	if _, err := j.file.WriteAt(p, j.pos); err != nil {
		return n, fmt.Errorf("append to journal: %w", ioError(err))
	}
	j.seq += n
	end := (j.pos + int64(len(b.buf)) - recordSize) % j.size
	j.pos = (end + record{Type: recCarry}.step(end)) % j.size
	return n, nil
}

// redo writes to its place what a power cut, or a failed sync, may have kept
// from there. Until then reads get it from memory, so that reading alone
// changes no file.
func (o *overlay) redo() error {
	list := o.carried.Load()
	if list == nil {
		return nil
	}
	for _, x := range *list {
		for p, off := x.data, x.off; len(p) > 0; {
			n := min(len(p), int(BlockSize-off%BlockSize))
			if o.own.get(off>>blockShift) == here {
				if _, err := o.data.WriteAt(p[:n], off); err != nil {
					return ioError(err)
				}
			}
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

// patch puts carried data over what was read at off, where the map says that
// it is the overlay's.
func (o *overlay) patch(list []piece, p []byte, off int64) {
	for _, x := range list {
		from, to := max(off, x.off), min(off+int64(len(p)), x.off+int64(len(x.data)))
		for from < to {
			n := min(to-from, BlockSize-from%BlockSize)
			if o.own.get(from>>blockShift) == here {
				copy(p[from-off:][:n], x.data[from-x.off:])
			}
			from += n
		}
	}
}
