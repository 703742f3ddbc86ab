package cow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"

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
	// MergeDepth: in chains of more layers than this, neighbours that have no
	// name are merged in the background; default 16.
	MergeDepth int
	// FlattenDepth: a chain that merging leaves with more layers than this is
	// flattened in the background; default 16. The two differ in tests only.
	FlattenDepth int
	// Hashed is told, in the background, of each layer that has got its
	// digest after it was made; the first one perhaps before Open returns. It
	// must not call Close.
	Hashed func(LayerInfo)
	// Manual leaves all background work (merging, hashing, freeing) to Settle.
	// Tests set it, to be repeatable.
	Manual bool
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.JournalSize == 0 {
		o.JournalSize = defaultLogSize
	}
	if o.MergeDepth == 0 {
		o.MergeDepth = 16
	}
	if o.FlattenDepth == 0 {
		o.FlattenDepth = 16
	}
	if o.Hashed == nil {
		o.Hashed = func(LayerInfo) {}
	}
}

func (o *Options) check() error {
	if o.JournalSize < 2*logReserve || o.JournalSize > maxLogSize || o.JournalSize%sectorSize != 0 {
		return fmt.Errorf("journal of %d bytes", o.JournalSize)
	}
	if o.MergeDepth < 2 || o.FlattenDepth < o.MergeDepth || o.FlattenDepth > maxDepth-2 {
		return fmt.Errorf("depths %d and %d: from 2 to %d, in this order", o.MergeDepth, o.FlattenDepth, maxDepth-2)
	}
	return nil
}

// Engine is one data folder. Its methods may be called concurrently.
//
// Lock order: LayerBuilder.mu, volumeState.op, layerState.op, Volume.life, a
// volume's range lock, overlay.flushMu, overlay.mu, Engine.mu. Never two of
// one kind. Engine.mu is held over work in memory only; the long work of
// merging and hashing is done under none of them.
type Engine struct {
	dir   string
	o     Options
	fs    vfs.FS
	log   *slog.Logger
	boot  bootID
	space space
	trash *trash

	bootChanged bool
	lockFile    io.Closer
	ctx         context.Context // ends at Close
	stop        context.CancelFunc
	background  sync.WaitGroup
	jobs        chan struct{} // filled by whoever does long work: one at a time
	waiting     atomic.Int32  // for what is done in the background, or for its end
	wake        chan struct{} // there may be background work

	mu       sync.Mutex // guards what follows
	closed   bool
	released bool           // the folder may be somebody else's: Layers that are still open change nothing in it
	ops      sync.WaitGroup // calls under way; none begins once closed
	hold     bool           // nothing is collected: what refers to what is not known
	layers   map[string]*layerState
	volumes  map[string]*volumeState
	chains   map[string]*chain // by the layer on top; a chain over layers that were merged since is no longer in it
	made     map[*LayerBuilder]struct{}
	skip     map[string]setback // background work that failed
	running  *running           // background work under way
	leaving  map[string]int     // layers that it has given way for
	doubt    doubt
}

// Open takes possession of the data folder dir, which it makes if need be,
// but not its parent. It returns an InUseError if another process has it, and
// an error that wraps ErrVersion if it is in another format. What interrupted
// work left behind is removed, and so are volatile volumes of before a restart
// of the machine.
func Open(dir string, o Options) (*Engine, error) {
	o.setDefaults()
	e := &Engine{
		dir: path.Clean(dir), o: o, fs: o.FS, log: o.Log, boot: o.BootID, jobs: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		layers: map[string]*layerState{}, volumes: map[string]*volumeState{},
		chains: map[string]*chain{}, made: map[*LayerBuilder]struct{}{}, skip: map[string]setback{}, leaving: map[string]int{}, doubt: doubt{},
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	e.space = space{ask: func() (free, size int64, err error) { return e.fs.Space(e.dir) }, minFree: o.MinFree}
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
	e.ctx, e.stop = context.WithCancel(context.Background())
	if !e.o.Manual {
		e.background.Go(func() { e.trash.run(e.ctx) })
		e.background.Go(e.work)
	}
	return nil
}

// enter admits a call that changes files, until leave is called: Close waits
// for it.
func (e *Engine) enter() (leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errEngineClosed
	}
	e.ops.Add(1)
	return e.ops.Done, nil
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

// Close ends the background work, waits for calls under way, closes what is
// still open and releases the folder.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.stop() // long calls notice
	e.background.Wait()
	e.ops.Wait()

	e.mu.Lock()
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
	e.mu.Lock()
	e.released = true
	e.mu.Unlock()
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
		return renameError(err)
	}
	if !sync {
		return nil
	}
	if err := e.fs.SyncDir(path.Dir(to)); err != nil {
		return unsettled(err)
	}
	return nil
}

// discard takes a folder out of its place, durably, and has it freed, in this
// order.
func (e *Engine) discard(name string) error {
	to, err := e.trash.move(name)
	if err != nil {
		return err
	}
	if err := e.fs.SyncDir(path.Dir(name)); err != nil {
		return unsettled(err)
	}
	e.trash.release(to)
	return nil
}
