package cow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"sync"

	"bootes.dev/internal/cow/vfs"
)

// Options of Open. The zero value serves.
type Options struct {
	Log *slog.Logger // default: none
	// MinFree is how many bytes of the host's disk layers and volumes may
	// never take. Below it a write to a block that is not there yet fails
	// with block.ErrNoSpace; blocks that are there can still be written. The
	// engine's own records may use it, and it is looked at once a second, so
	// leave some MiB of slack.
	MinFree int64
	FS      vfs.FS // default: the real one
	// JournalSize in bytes of journals made from now on; default 1 MiB. Tests
	// make it small.
	JournalSize int64
	// BootID of the kernel; default: read from /proc. Tests set it.
	BootID [16]byte
}

// Engine is one data folder. Its methods may be called concurrently.
type Engine struct {
	dir   string
	fs    vfs.FS
	log   *slog.Logger
	boot  bootID
	space space
	// journalSize of journals that are made from now on.
	journalSize int64
	trash       *trash

	bootChanged bool
	lockFile    io.Closer
	stop        context.CancelFunc
	background  sync.WaitGroup

	// mu guards what follows. It is held over the short file work of making,
	// opening and removing, never over reads and writes. Lock order: mu
	// before every lock of a volume.
	mu      sync.Mutex
	closed  bool
	layers  map[string]*layerMeta
	volumes map[string]*volumeState
	chains  map[string]*chain // of layers that something has open
	made    map[*LayerBuilder]struct{}
}

// Open takes possession of the data folder dir, which it makes if need be,
// but not its parent. It returns an InUseError if another process has it.
// What interrupted work left behind is removed, and so are volatile volumes
// of before a restart of the machine.
func Open(dir string, o Options) (*Engine, error) {
	e := &Engine{
		dir: path.Clean(dir), fs: o.FS, log: o.Log, boot: o.BootID,
		layers: map[string]*layerMeta{}, volumes: map[string]*volumeState{},
		chains: map[string]*chain{}, made: map[*LayerBuilder]struct{}{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.fs == nil {
		e.fs = vfs.OS()
	}
	e.journalSize = o.JournalSize
	if e.journalSize == 0 {
		e.journalSize = defaultLogSize
	}
	if e.journalSize < 2*logReserve || e.journalSize > maxLogSize || e.journalSize%sectorSize != 0 {
		return nil, fmt.Errorf("journal of %d bytes", e.journalSize)
	}
	e.space = space{free: func() (int64, error) { return e.fs.Free(e.dir) }, minFree: o.MinFree}
	if e.boot == (bootID{}) {
		var err error
		if e.boot, err = kernelBootID(); err != nil {
			return nil, fmt.Errorf("read boot id: %w", err)
		}
	}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("open data folder %q: %w", dir, err)
	}
	return e, nil
}

func (e *Engine) open() (err error) {
	if err := e.fs.Mkdir(e.dir); err != nil {
		return err
	}
	if err := e.fs.SyncDir(path.Dir(e.dir)); err != nil {
		return err
	}
	if e.lockFile, err = e.fs.Lock(e.path("lock")); err != nil {
		var held *vfs.LockedError
		if errors.As(err, &held) {
			return &InUseError{What: "the folder", PID: held.PID}
		}
		return err
	}
	if err := e.load(); err != nil {
		return errors.Join(err, e.lockFile.Close())
	}
	var ctx context.Context
	ctx, e.stop = context.WithCancel(context.Background())
	e.background.Go(func() { e.trash.run(ctx) })
	return nil
}

// load makes the folders, clears away what is half-made and reads the rest.
func (e *Engine) load() error {
	for _, d := range []string{"layers", "volumes", "tmp", "trash"} {
		if err := e.fs.Mkdir(e.path(d)); err != nil {
			return err
		}
	}
	if err := e.fs.SyncDir(e.dir); err != nil {
		return err
	}
	for _, d := range []string{"layers", "volumes"} {
		// A process killed before its sync may have left names that only the
		// page cache has.
		if err := e.fs.SyncDir(e.path(d)); err != nil {
			return err
		}
	}
	e.trash = newTrash(e.fs, e.path("trash"), e.log)
	left, err := allocated(e.fs, e.path("trash"))
	if err != nil {
		return err
	}
	e.trash.left.Store(left)
	if err := e.each("tmp", e.throwHalfMade); err != nil {
		return err
	}
	if err := e.each("layers", e.loadLayer); err != nil {
		return err
	}
	if err := e.each("volumes", e.loadVolume); err != nil {
		return err
	}
	return e.noteBoot()
}

func (e *Engine) each(dir string, fn func(id string) error) error {
	names, err := e.fs.List(e.path(dir))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := fn(n); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) throwHalfMade(name string) error {
	e.log.Info("removing what an interrupted run left half-made", "name", name)
	return e.trash.throw(e.path("tmp", name))
}

// noteBoot compares the machine's boot_id with the one on record, and notes the
// first of all.
func (e *Engine) noteBoot() error {
	var last engineMeta
	switch err := readMeta(e.fs, e.path("boot"), &last); {
	case errors.Is(err, os.ErrNotExist):
		return e.SettleBoot()
	case err != nil:
		return err
	}
	e.bootChanged = last.Boot != e.boot
	return nil
}

// BootChanged reports whether the machine has been down since SettleBoot.
// Guests that lived through it believe in writes that are gone: their sessions
// must not go on. Once that is made sure of, call SettleBoot; until then each
// Open finds the boot changed again.
func (e *Engine) BootChanged() bool { return e.bootChanged }

// SettleBoot notes that what follows from a changed boot has been done.
func (e *Engine) SettleBoot() error {
	return writeMeta(e.fs, e.path("boot"), engineMeta{e.boot}, true)
}

// Freeing is how many bytes of removed layers and volumes are still occupied.
func (e *Engine) Freeing() int64 { return max(0, e.trash.left.Load()) }

// Close closes what is still open, waits for the background work to stop and
// releases the folder.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var open []*Volume
	for _, s := range e.volumes {
		if s.open != nil {
			open = append(open, s.open)
		}
	}
	var builders []*LayerBuilder
	for b := range e.made {
		builders = append(builders, b)
	}
	e.mu.Unlock()

	var errs []error
	for _, v := range open {
		errs = append(errs, v.Close())
	}
	for _, b := range builders {
		errs = append(errs, b.Abort())
	}
	e.stop()
	e.background.Wait()
	return errors.Join(append(errs, e.lockFile.Close())...)
}

var errEngineClosed = errors.New("the data folder is closed")

func (e *Engine) path(elem ...string) string {
	return path.Join(append([]string{e.dir}, elem...)...)
}

// publish moves a finished folder from tmp to its place, durably if sync.
func (e *Engine) publish(tmp, to string, sync bool) error {
	if sync {
		if err := e.fs.SyncDir(tmp); err != nil {
			return err
		}
	}
	if err := e.fs.Rename(tmp, to); err != nil {
		return err
	}
	if sync {
		return e.fs.SyncDir(path.Dir(to))
	}
	return nil
}

// discard takes a folder out of its place, durably, and has it freed.
func (e *Engine) discard(name string) error {
	if err := e.trash.throw(name); err != nil {
		return err
	}
	return e.fs.SyncDir(path.Dir(name))
}
