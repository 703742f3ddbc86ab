package cow

import (
	"errors"
	"fmt"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// overlay is the writable top of a volume: its own blocks, their map, and the
// journal of what the map has learned since its newest checkpoint. A volume
// gets one at its first write, and loses it when it is sealed.
type overlay struct {
	e        *Engine
	volume   string // whose it is, for messages
	id       string
	folder   string
	size     int64
	blocks   int64
	volatile bool
	failure  *failure   // the volume's
	ranges   *rangeLock // the volume's

	own     presence // changed under mu only
	data    vfs.File
	mapFile vfs.File
	used    atomic.Int64 // own blocks, present or promised to a write under way

	unsynced unsynced
	// carried is data that is safe in the journal and perhaps not in its
	// place; nil from the first change on.
	carried atomic.Pointer[[]piece]

	// flushMu is held over a sync: one runs at a time, and whoever waited for
	// it meanwhile shares the next one.
	flushMu  sync.Mutex
	arrivals atomic.Uint64 // flushes so far
	flushed  uint64        // of them, by arrival, done; guarded by flushMu

	mu    sync.Mutex // guards log, here, changes of the map, and holes
	log   journal
	here  int64 // own blocks that are present
	holes holes
	punch sync.WaitGroup
	// repaint notes the pages that change while a chain is made of the map.
	repaint pageSet
	// dir is what the newest checkpoint says; guarded by flushMu.
	dir directory
}

// failure is why a volume takes no more calls until it is reopened: a sync
// failed.
type failure struct{ cause atomic.Pointer[error] }

func (f *failure) get() error {
	if p := f.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// set reports whether this is the first failure, and the first one.
func (f *failure) set(cause error) (error, bool) {
	err := fmt.Errorf("%w: %w", block.ErrFailed, cause)
	if !f.cause.CompareAndSwap(nil, &err) {
		return f.get(), false
	}
	return err, true
}

func (e *Engine) emptyOverlay(m *volumeMeta, id string, failed *failure, ranges *rangeLock) *overlay {
	n := blocksFor(m.Size)
	return &overlay{
		e: e, volume: m.ID, id: id, folder: e.path("volumes", m.ID, id), size: m.Size, blocks: n,
		volatile: m.Volatile, failure: failed, ranges: ranges,
	}
}

// createOverlay makes a volume's overlay whole under tmp and puts it in its
// place. It counts only once the volume's meta names it: until then whoever
// opens the folder throws it away. Its first directory opens the first epoch,
// so that a write finds it ready.
func (e *Engine) createOverlay(m *volumeMeta, failed *failure, ranges *rangeLock) (*overlay, error) {
	o := e.emptyOverlay(m, uuid.NewString(), failed, ranges)
	tmp := e.path("tmp", "overlay-"+o.id)
	err := e.space.take(e.o.JournalSize + 2*dirSize(o.blocks))
	if err == nil {
		err = o.create(tmp)
	}
	if err == nil {
		err = e.publish(tmp, o.folder, !o.volatile)
	}
	if err != nil {
		return nil, errors.Join(noSpace(err), o.closeFiles(), e.throwIfThere(tmp))
	}
	return o, nil
}

func (e *Engine) throwIfThere(name string) error {
	if err := e.trash.throw(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (o *overlay) create(tmp string) (err error) {
	fs := o.e.fs
	if err := fs.Mkdir(tmp); err != nil {
		return err
	}
	if o.data, err = createData(fs, tmp+"/data", uuid.MustParse(o.id), o.size, !o.volatile); err != nil {
		return err
	}
	o.dir = directory{header{
		Blocks: uint64(o.blocks), LogSize: uint64(o.e.o.JournalSize), Epoch: 1, Boot: o.e.boot, ID: uuid.MustParse(o.id),
	}, make([]entry, pagesFor(o.blocks))}
	if o.mapFile, err = fs.OpenFile(tmp+"/map", os.O_RDWR|os.O_CREATE|os.O_EXCL); err != nil {
		return err
	}
	if err := o.prepareMap(); err != nil {
		return err
	}
	if o.log.file, err = fs.OpenFile(tmp+"/journal", os.O_RDWR|os.O_CREATE|os.O_EXCL); err != nil {
		return err
	}
	if err := o.writeRing(); err != nil {
		return err
	}
	o.log.seed, o.log.epoch, o.log.open = logSeed(o.id), 1, true
	o.own = newPresence(o.blocks)
	o.log.changed = newPageSet(len(o.own.pages))
	return nil
}

// openOverlay reads an overlay as its last writer left it.
func (e *Engine) openOverlay(m *volumeMeta, failed *failure, ranges *rangeLock) (*overlay, error) {
	o := e.emptyOverlay(m, m.Overlay, failed, ranges)
	if err := o.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("overlay %q: %w", o.id, err), o.closeFiles())
	}
	return o, nil
}

func (o *overlay) load() (err error) {
	fs, id := o.e.fs, uuid.MustParse(o.id)
	if o.data, err = openData(fs, o.folder+"/data", id, o.size, os.O_RDWR); err != nil {
		return err
	}
	if o.mapFile, err = fs.OpenFile(o.folder+"/map", os.O_RDWR); err != nil {
		return missing(err)
	}
	d, err := readDirectory(o.mapFile, id, o.blocks)
	if err != nil {
		return err
	}
	o.dir, o.own = *d, newPresence(o.blocks)
	if err := readPages(o.mapFile, d, &o.own); err != nil {
		return err
	}
	o.here = int64(d.Here)
	o.log.changed = newPageSet(len(o.own.pages))
	if err := o.openLog(o.folder + "/journal"); err != nil {
		return err
	}
	o.used.Store(o.here)
	return nil
}

// isEmpty reports whether nothing was ever written.
func (o *overlay) isEmpty() bool { return o.own.all(below, 0, o.blocks) }

// fail ends the volume's life until it is reopened: the kernel marks pages
// that it could not write as clean, so a second sync would lie. Unstable
// records are declared void, lest a reopening under the same boot believe
// them, and what the page cache says is forgotten.
func (o *overlay) fail(cause error) error {
	err, first := o.failure.set(cause)
	if !first {
		return err
	}
	o.e.log.Error("volume has failed", "volume", o.volume, "err", cause)
	o.mu.Lock()
	o.log.void()
	o.mu.Unlock()
	for _, f := range []vfs.File{o.data, o.mapFile, o.log.file} {
		if f != nil {
			f.Forget()
		}
	}
	return err
}

// close makes everything durable, with the map alone telling all if there is
// room, waits for the punching and closes the files.
func (o *overlay) close() error {
	err := o.failure.get()
	if err == nil {
		err = o.settleAll()
	}
	o.startPunching()
	o.punch.Wait()
	return errors.Join(err, o.closeFiles())
}

func (o *overlay) closeFiles() error {
	var errs []error
	for _, f := range []vfs.File{o.data, o.mapFile, o.log.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// stored is what the overlay's files occupy.
func (e *Engine) overlayStored(volume, id string) int64 {
	if id == "" {
		return 0
	}
	n, err := allocated(e.fs, e.path("volumes", volume, id))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.log.Error("cannot measure volume", "volume", volume, "err", err)
	}
	return n
}

// readHere is how many own blocks the newest checkpoint of an overlay counts,
// without the rest of its map.
func (e *Engine) readHere(m *volumeMeta) int64 {
	f, err := e.fs.OpenFile(path.Join(e.path("volumes", m.ID, m.Overlay), "map"), os.O_RDONLY)
	if err != nil {
		return 0
	}
	defer f.Close()
	d, err := readDirectory(f, uuid.MustParse(m.Overlay), blocksFor(m.Size))
	if err != nil {
		return 0 // opening it says what is wrong
	}
	return int64(d.Here)
}
