package cow

import (
	"errors"
	"sync"
	"sync/atomic"

	"bootes.dev/internal/block"
)

// Volume is an open volume: a block.Device.
type Volume struct {
	e        *Engine
	id       string
	state    *volumeState
	volatile bool

	// top is what the volume reads as. It is replaced as a whole, by whoever
	// holds the state's op: by a first write, which puts an overlay on; by a
	// snapshot, which also holds life, so that no change is lost between the
	// two; and by flattening, which changes nothing but where things lie.
	//
	// Readers take no lock. What they have read counts only if the top is
	// still the same afterwards: the files of the old one may be closed, and
	// even freed, at any time after it was replaced.
	top atomic.Pointer[top]

	// life is held shared by every change, and exclusively by what needs all
	// changes to stand still: sealing and Close. Reads do without: a closed
	// file tells them.
	life   sync.RWMutex
	closed atomic.Bool

	ranges  rangeLock
	failure failure
	limit   atomic.Int64
	private atomic.Int64 // blocks of the layers that count for the limit
	// writeThrough: every change is flushed before it is acknowledged.
	writeThrough atomic.Bool

	retired sync.WaitGroup // overlays that were sealed and still give space back

	stats struct {
		reads, writes, readBytes, writtenBytes atomic.Int64
	}
}

// top is a view of a volume, with the overlay that takes its changes: nil
// before the first one.
type top struct {
	view
	over *overlay
}

func newTop(size int64, base *chain, clip int64, o *overlay) *top {
	t := &top{view: newView(size, base, clip), over: o}
	if o != nil {
		t.own, t.data = &o.own, o.data
	}
	return t
}

var _ block.Device = (*Volume)(nil)

// VolumeStats counts since the volume was opened.
type VolumeStats struct {
	Reads, Writes           int64
	ReadBytes, WrittenBytes int64
	Stored                  int64 // bytes that the volume's own files occupy now
}

// Size is the number of bytes of the disk. Engine.Resize may raise it while
// the volume is open.
func (v *Volume) Size() int64 { return v.top.Load().size }

// Used is how many bytes count for the limit now: the volume's own blocks, and
// those of the layers below that belong to no image.
func (v *Volume) Used() int64 {
	n := v.private.Load()
	if o := v.top.Load().over; o != nil {
		n += o.used.Load()
	}
	return n << blockShift
}

// WritesThrough tells whether each change is durable before it is acknowledged,
// now: Engine.SetWriteThrough may change it while the volume is open.
func (v *Volume) WritesThrough() bool { return v.writeThrough.Load() }

// Limit in bytes; 0: none.
func (v *Volume) Limit() int64 { return v.limit.Load() }

// Stats returns the counters of this opening.
func (v *Volume) Stats() VolumeStats {
	s := &v.stats
	stats := VolumeStats{
		Reads: s.reads.Load(), Writes: s.writes.Load(),
		ReadBytes: s.readBytes.Load(), WrittenBytes: s.writtenBytes.Load(),
	}
	if o := v.top.Load().over; o != nil {
		stats.Stored = v.e.overlayStored(v.id, o.id)
	}
	return stats
}

// ReadAt reads without a lock, unless a change of the same range is under
// way: then it waits for that, so that no sector is seen half-written.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if err := v.look(off, int64(len(p))); err != nil || len(p) == 0 {
		return 0, err
	}
	v.stats.reads.Add(1)
	v.stats.readBytes.Add(int64(len(p)))
	first, end := off>>blockShift, blocksFor(off+int64(len(p)))
	var g glance
	if v.ranges.look(&g, first, end) {
		if n, err, ok := v.read(p, off); ok && (err != nil || v.ranges.still(&g)) {
			return n, err
		}
	}
	ticket := v.ranges.lock(first, end, true)
	defer v.ranges.unlock(ticket)
	for {
		if n, err, ok := v.read(p, off); ok {
			return n, err
		}
	}
}

// read reports false if the top was replaced meanwhile: then what it read may
// be from files that are not there any more.
func (v *Volume) read(p []byte, off int64) (n int, err error, ok bool) {
	t := v.top.Load()
	var carried *[]piece
	if t.over != nil { // before reading: from the first change on, it is in the file
		carried = t.over.carried.Load()
	}
	n, err = t.ReadAt(p, off)
	if v.top.Load() != t {
		return n, err, false
	}
	if carried != nil {
		t.over.patch(*carried, p[:n], off)
	}
	if err != nil && v.closed.Load() {
		err = block.ErrClosed
	}
	return n, err, true
}

// look checks a call before it begins.
func (v *Volume) look(off, n int64) error {
	if err := block.CheckRange(v.Size(), off, n); err != nil {
		return err
	}
	return v.failed()
}

// begin admits a change until end is called, and gives it the overlay, which
// stays the volume's for that long.
func (v *Volume) begin(off, n int64) (*overlay, error) {
	for {
		v.life.RLock()
		t := v.top.Load()
		err := block.CheckRange(t.size, off, n)
		if err == nil {
			err = v.failed()
		}
		if err == nil && t.over != nil {
			return t.over, nil
		}
		v.life.RUnlock()
		if err == nil {
			err = v.putOverlay()
		}
		if err != nil {
			return nil, err
		}
	}
}

func (v *Volume) end() { v.life.RUnlock() }

// failed is why the volume takes no more calls: closed, or a sync failed.
func (v *Volume) failed() error {
	if v.closed.Load() {
		return block.ErrClosed
	}
	return v.failure.get()
}

// through makes a change of a write-through volume durable.
func (v *Volume) through(o *overlay) error {
	if !v.writeThrough.Load() {
		return nil
	}
	if err := o.flush(); err != nil {
		return err
	}
	o.startPunching()
	return nil
}

// Flush makes every change acknowledged before the call durable. It joins
// only a sync that began after it arrived.
func (v *Volume) Flush() error {
	v.life.RLock()
	defer v.life.RUnlock()
	if err := v.failed(); err != nil {
		return err
	}
	o := v.top.Load().over
	if o == nil {
		return nil
	}
	if !v.volatile {
		if err := o.flush(); err != nil {
			return err
		}
	}
	o.startPunching()
	return nil
}

// putOverlay gives the volume its overlay, before its first change. The
// overlay is whole and in its place before the meta names it, and takes
// changes only after that: whatever a crash leaves, what was acknowledged is
// in an overlay that the meta names.
func (v *Volume) putOverlay() error {
	s, e := v.state, v.e
	s.op.Lock()
	defer s.op.Unlock()
	if err := v.failed(); err != nil {
		return err
	}
	t := v.top.Load()
	if t.over != nil { // somebody else did it
		return nil
	}
	m := s.meta
	o, err := e.createOverlay(&m, &v.failure, &v.ranges)
	if err != nil {
		return v.failIfUnsettled(err)
	}
	m.Overlay = o.id
	if err := e.putMeta(s, m); err != nil {
		return errors.Join(v.failIfUnsettled(err), o.closeFiles(), e.throwUnless(err, o.folder))
	}
	v.top.Store(newTop(t.size, t.base, m.Clip, o))
	return nil
}

// throwUnless throws a folder away unless err leaves open whether it counts.
func (e *Engine) throwUnless(err error, folder string) error {
	if errors.Is(err, errUnsettled) {
		return nil
	}
	return e.trash.throw(folder)
}

// failIfUnsettled ends the volume's life when nobody can tell what the disk
// says about it.
func (v *Volume) failIfUnsettled(err error) error {
	if !errors.Is(err, errUnsettled) {
		return err
	}
	v.e.unsettle(v.state)
	if o := v.top.Load().over; o != nil {
		return o.fail(err)
	}
	err, first := v.failure.set(err)
	if first {
		v.e.log.Error("volume has failed", "volume", v.id, "err", err)
	}
	return err
}

// Close makes everything durable, waits for what is under way and gives the
// volume free. Reads under way end with block.ErrClosed. An error that wraps
// block.ErrFailed says that acknowledged writes may be gone.
func (v *Volume) Close() error {
	v.state.op.Lock() // a snapshot under way ends first
	defer v.state.op.Unlock()
	v.life.Lock() // and so do changes
	first := v.closed.CompareAndSwap(false, true)
	v.life.Unlock()
	if !first {
		return nil
	}
	t := v.top.Load()
	var errs []error
	if t.over != nil {
		errs = append(errs, t.over.close())
	} else {
		errs = append(errs, v.failure.get())
	}
	v.retired.Wait()
	v.e.mu.Lock()
	v.state.open = nil
	v.state.own = -1
	if t.over != nil {
		v.state.own = t.over.used.Load()
	}
	v.e.mu.Unlock()
	return errors.Join(append(errs, v.e.release(t.base))...)
}
