package cow

import (
	"fmt"
	"sync"
)

var blockBuffers = sync.Pool{New: func() any { return new([BlockSize]byte) }}

// WriteAt writes in place where the blocks are there already. A first touch
// of a block writes its data, then notes it in the journal, and only then in
// the map: in this order an acknowledged write outlives the process, and an
// unacknowledged one is never half seen.
func (v *Volume) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, v.look(off, 0)
	}
	o, err := v.begin(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer v.end()
	if err := v.writeLocked(o, p, off); err != nil {
		return 0, err
	}
	if err := v.through(o); err != nil {
		return 0, err
	}
	v.stats.writes.Add(1)
	v.stats.writtenBytes.Add(int64(len(p)))
	return len(p), nil
}

func (v *Volume) writeLocked(o *overlay, p []byte, off int64) error {
	first, end := off>>blockShift, blocksFor(off+int64(len(p)))
	ticket := v.ranges.lock(first, end, false)
	defer v.ranges.unlock(ticket)
	return v.write(o, p, off, first, end-first)
}

// write does a WriteAt; the caller holds the range.
func (v *Volume) write(o *overlay, p []byte, off, first, n int64) error {
	if o.carried.Load() != nil { // or a later replay would undo this write
		if err := o.makeRoom(); err != nil {
			return err
		}
	}
	if o.own.all(here, first, n) {
		return o.overwrite(p, off)
	}
	fresh := n - o.own.here(first, n)
	if err := v.reserve(o, fresh); err != nil {
		return err
	}
	err := v.touch(o, p, off)
	if err == nil {
		err = o.record(first, n, here)
	}
	if err != nil {
		o.used.Add(-fresh)
	}
	return err
}

func (o *overlay) overwrite(p []byte, off int64) error {
	_, err := o.data.WriteAt(p, off)
	switch {
	case o.volatile:
	case err != nil:
		o.unsynced.lose()
	default:
		o.unsynced.note(p, off)
	}
	return ioError(err)
}

// reserve asks for room for n new blocks: within the volume's limit, and on
// the host's disk.
func (v *Volume) reserve(o *overlay, n int64) error {
	limit, used := v.limit.Load(), o.used.Add(n)+v.private.Load()
	var err error
	if limit > 0 && used<<blockShift > limit {
		err = fmt.Errorf("volume %q is at its limit of %d bytes: %w", v.id, limit, ErrLimit)
	} else {
		err = v.e.space.take(n << blockShift)
	}
	if err != nil {
		o.used.Add(-n)
	}
	return err
}

// touch writes p, of which not all blocks are there, so that every block it
// touches is whole in the data file: the rest of the first and the last is
// filled from what they read as now.
func (v *Volume) touch(o *overlay, p []byte, off int64) error {
	if head := off % BlockSize; head != 0 || len(p) < BlockSize {
		n := min(len(p), int(BlockSize-head))
		if err := v.touchPart(o, p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	whole := len(p) / BlockSize * BlockSize
	if whole > 0 {
		if err := o.overwrite(p[:whole], off); err != nil {
			return err
		}
	}
	if whole == len(p) {
		return nil
	}
	return v.touchPart(o, p[whole:], off+int64(whole))
}

func (v *Volume) touchPart(o *overlay, p []byte, off int64) error {
	b := off >> blockShift
	if o.own.get(b) == here {
		return o.overwrite(p, off)
	}
	buf := blockBuffers.Get().(*[BlockSize]byte)
	defer blockBuffers.Put(buf)
	if err := v.fill(buf, b); err != nil {
		return err
	}
	copy(buf[off%BlockSize:], p)
	return o.overwrite(buf[:], b<<blockShift)
}

// fill reads a block of which a part is to be written.
func (v *Volume) fill(p *[BlockSize]byte, b int64) error {
	for {
		t := v.top.Load()
		if err := t.fill(p, b); v.top.Load() == t {
			return err
		}
	}
}
