package cow

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// Volume is an open volume: a block.Device.
//
// Lock order: life, range lock, flushMu, mu.
type Volume struct {
	overlay // its map is changed under mu only
	e       *Engine
	meta    volumeMeta
	mapFile vfs.File

	// life is held shared by every change, and exclusively by Close. Reads do
	// without: a closed file tells them.
	life   sync.RWMutex
	closed atomic.Bool

	ranges rangeLock
	failed atomic.Pointer[error] // a sync failed; final
	limit  atomic.Int64
	used   atomic.Int64 // own blocks, present or promised to a write under way

	// dirty: a change was acknowledged that no sync has covered yet.
	dirty atomic.Bool

	// flushMu is held over a sync: one runs at a time, and whoever waited for
	// it meanwhile shares the next one.
	flushMu  sync.Mutex
	arrivals atomic.Uint64 // flushes so far
	flushed  uint64        // of them, by arrival, done; guarded by flushMu

	mu  sync.Mutex // guards log, changes of the map, and holes
	log journal
	// dir is what the newest checkpoint says; guarded by flushMu.
	dir directory

	holes holes
	punch sync.WaitGroup

	stats struct {
		reads, writes, readBytes, writtenBytes atomic.Int64
	}
}

var _ block.Device = (*Volume)(nil)

// VolumeStats counts since the volume was opened.
type VolumeStats struct {
	Reads, Writes           int64
	ReadBytes, WrittenBytes int64
	Stored                  int64 // bytes that the volume's files occupy now
}

// load opens the files and replays the journal.
func (v *Volume) load(dir string) (err error) {
	if v.data, err = v.e.openData(dir+"/data", v.size, os.O_RDWR); err != nil {
		return err
	}
	if v.mapFile, err = v.e.fs.OpenFile(dir+"/map", os.O_RDWR); err != nil {
		return fmt.Errorf("%w: %w", block.ErrCorrupt, err)
	}
	d, err := readDirectory(v.mapFile, v.blocks)
	if err != nil {
		return err
	}
	v.dir = *d
	if err := readPages(v.mapFile, d, &v.own); err != nil {
		return err
	}
	v.log.changed = newPageSet(len(v.own.pages))
	if err := v.openLog(dir + "/journal"); err != nil {
		return err
	}
	v.used.Store(v.own.here(0, v.blocks))
	return nil
}

// Size is the number of bytes of the disk.
func (v *Volume) Size() int64 { return v.size }

// Stats returns the counters of this opening.
func (v *Volume) Stats() VolumeStats {
	stored, err := allocated(v.e.fs, v.e.path("volumes", v.meta.ID))
	if err != nil {
		v.e.log.Error("cannot measure volume", "volume", v.meta.ID, "err", err)
	}
	s := &v.stats
	return VolumeStats{
		Reads: s.reads.Load(), Writes: s.writes.Load(),
		ReadBytes: s.readBytes.Load(), WrittenBytes: s.writtenBytes.Load(),
		Stored: stored,
	}
}

// ReadAt reads without a lock, unless a change of the same range is under
// way: then it waits for that, so that no sector is seen half-written.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if err := block.CheckRange(v.size, off, int64(len(p))); err != nil {
		return 0, err
	}
	if err := v.failure(); err != nil || len(p) == 0 {
		return 0, err
	}
	v.stats.reads.Add(1)
	v.stats.readBytes.Add(int64(len(p)))
	first, end := off>>blockShift, blocksFor(off+int64(len(p)))
	var g glance
	if v.ranges.look(&g, first, end) {
		if n, err := v.overlay.ReadAt(p, off); err != nil || v.ranges.still(&g) {
			return n, err
		}
	}
	ticket := v.ranges.lock(first, end, true)
	defer v.ranges.unlock(ticket)
	return v.overlay.ReadAt(p, off)
}

// begin admits a change until end is called.
func (v *Volume) begin(off, n int64) error {
	if err := block.CheckRange(v.size, off, n); err != nil {
		return err
	}
	v.life.RLock()
	if err := v.failure(); err != nil {
		v.life.RUnlock()
		return err
	}
	return nil
}

func (v *Volume) end() { v.life.RUnlock() }

// failure is why the volume takes no more calls: closed, or a sync failed.
func (v *Volume) failure() error {
	if v.closed.Load() {
		return block.ErrClosed
	}
	return v.syncFailure()
}

func (v *Volume) syncFailure() error {
	if p := v.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail ends the volume's life until it is reopened: the kernel marks pages
// that it could not write as clean, so a second sync would lie. Unstable
// records are declared void, lest a reopening under the same boot believe
// them, and what the page cache says is forgotten.
func (v *Volume) fail(cause error) error {
	err := fmt.Errorf("%w: %w", block.ErrFailed, cause)
	if !v.failed.CompareAndSwap(nil, &err) {
		return v.syncFailure()
	}
	v.e.log.Error("volume has failed", "volume", v.meta.ID, "err", cause)
	v.mu.Lock()
	v.log.void()
	v.mu.Unlock()
	for _, f := range []vfs.File{v.data, v.mapFile, v.log.file} {
		if f != nil {
			f.Forget()
		}
	}
	return err
}

// Close makes everything durable, waits for what is under way and gives the
// volume free. Reads under way end with block.ErrClosed. An error that wraps
// block.ErrFailed says that acknowledged writes may be gone.
func (v *Volume) Close() error {
	v.life.Lock() // changes under way end first
	first := v.closed.CompareAndSwap(false, true)
	v.life.Unlock()
	if !first {
		return nil
	}
	err := v.syncFailure()
	if err == nil && !v.meta.Volatile {
		err = v.flush()
	}
	v.startPunching()
	v.punch.Wait()
	err = errors.Join(err, v.closeFiles())

	v.e.mu.Lock()
	defer v.e.mu.Unlock()
	if s := v.e.volumes[v.meta.ID]; s != nil && s.open == v {
		s.open = nil
	}
	return errors.Join(err, v.e.releaseLocked(v.meta.Base))
}

func (v *Volume) closeFiles() error {
	var errs []error
	for _, f := range []vfs.File{v.data, v.mapFile, v.log.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
