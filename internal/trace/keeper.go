package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// maxRecordings is how many images are recorded at once: some 2 MiB each.
const maxRecordings = 16

// suffix of the files, whose names are the layers of their images.
const suffix = ".trace"

// Keeper records boots and keeps what came of them in a folder. Its methods
// may be called from any goroutine.
type Keeper struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	layers map[string]*Recording // under way, by layer
	boots  map[string]*Recording // the same, by boot
	closed bool
	saving sync.WaitGroup // recordings that have left the maps
}

// Open returns a keeper over dir, which it makes.
func Open(dir string, log *slog.Logger) (*Keeper, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of boot traces: %w", err)
	}
	return &Keeper{dir: dir, log: log, layers: map[string]*Recording{}, boots: map[string]*Recording{}}, nil
}

// Begin records a boot whose disk was opened, or goes on with what it has
// recorded of it. about says what is booted. It returns nil if this boot is not
// recorded.
func (k *Keeper) Begin(boot string, about Trace) *Recording {
	k.mu.Lock()
	r := k.layers[about.Layer]
	var old *Recording
	if r != nil && r.boot != boot && (r.about.Machine == about.Machine || !r.opened()) {
		r, old = nil, r
	}
	taken := k.take(old)
	if r == nil && !k.closed && len(k.layers) < maxRecordings {
		r = k.begin(boot, about)
	}
	if r != nil && r.boot != boot { // another machine boots it just now
		r = nil
	}
	if r != nil {
		r.setOpen(true)
	}
	k.mu.Unlock()
	if taken {
		k.keep(old)
	}
	return r
}

// begin starts a recording. k.mu is held.
func (k *Keeper) begin(boot string, about Trace) *Recording {
	r := &Recording{boot: boot, about: about}
	k.layers[about.Layer], k.boots[boot] = r, r
	r.timer = time.AfterFunc(maxTime, func() { k.due(r) })
	return r
}

// due ends r, unless its system is still at it.
func (k *Keeper) due(r *Recording) {
	if d := r.rest(); d > 0 {
		r.timer.Reset(d)
		return
	}
	k.finish(r)
}

// Mark notes a step of a boot, if that is recorded.
func (k *Keeper) Mark(boot, text string) {
	if r := k.of(boot); r != nil {
		r.mark(text)
	}
}

// Runs notes that a boot has come to its end: the system runs.
func (k *Keeper) Runs(boot string) {
	if r := k.of(boot); r != nil {
		r.runs()
	}
}

// DiskClosed tells that nobody reads a boot's disk any more. It may be opened
// again, by the system that the firmware has started.
func (k *Keeper) DiskClosed(boot string) {
	if r := k.of(boot); r != nil && r.setOpen(false) {
		k.finish(r)
	}
}

func (k *Keeper) of(boot string) *Recording {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.boots[boot]
}

// take takes r out of the maps, whoever does so first; then keep is to be
// called. k.mu is held.
func (k *Keeper) take(r *Recording) bool {
	if r == nil || k.boots[r.boot] != r {
		return false
	}
	delete(k.boots, r.boot)
	delete(k.layers, r.about.Layer)
	k.saving.Add(1)
	return true
}

// finish ends r.
func (k *Keeper) finish(r *Recording) {
	k.mu.Lock()
	taken := k.take(r)
	k.mu.Unlock()
	if taken {
		k.keep(r)
	}
}

// keep ends r, which take has taken, and keeps what is worth it: a boot that
// ran, or as long as there is no such, what there was room for.
func (k *Keeper) keep(r *Recording) {
	defer k.saving.Done()
	t := r.end()
	if t == nil {
		return
	}
	if t.Cut {
		if old, err := k.Load(t.Layer); err == nil && !old.Cut {
			return
		}
	}
	if err := k.save(t); err != nil {
		k.log.Error("boot trace is not kept", "image", t.Image, "machine", t.Machine, "err", err)
		return
	}
	k.log.Debug("boot trace kept", "image", t.Image, "machine", t.Machine, "reads", len(t.Reads))
}

func (k *Keeper) path(layer string) string { return filepath.Join(k.dir, layer+suffix) }

// save puts t in the place of an older one. It is worth no sync: a torn file
// has a wrong checksum, and the next boot makes another.
func (k *Keeper) save(t *Trace) error {
	b, err := t.AppendBinary(nil)
	if err != nil {
		return err
	}
	path := k.path(t.Layer)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write boot trace: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write boot trace: %w", err)
	}
	return nil
}

// Load returns the trace of an image's layer. The error is fs.ErrNotExist if
// there is none.
func (k *Keeper) Load(layer string) (*Trace, error) {
	b, err := os.ReadFile(k.path(filepath.Base(layer)))
	if err != nil {
		return nil, fmt.Errorf("read boot trace: %w", err)
	}
	t := new(Trace)
	if err := t.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("read boot trace %q: %w", k.path(layer), err)
	}
	return t, nil
}

// Sweep removes the traces of layers that are not to be kept.
func (k *Keeper) Sweep(keep func(layer string) bool) error {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("read folder of boot traces: %w", err)
	}
	var errs []error
	for _, f := range files {
		if layer, ok := strings.CutSuffix(f.Name(), suffix); ok && keep(layer) {
			continue
		}
		if err := os.Remove(filepath.Join(k.dir, f.Name())); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close ends all recordings; those of boots that ran are kept.
func (k *Keeper) Close() error {
	k.mu.Lock()
	k.closed = true
	var all []*Recording
	for _, r := range k.layers {
		all = append(all, r)
	}
	k.mu.Unlock()
	for _, r := range all {
		k.finish(r)
	}
	k.saving.Wait()
	return nil
}
