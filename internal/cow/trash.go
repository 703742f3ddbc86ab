package cow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// trash frees what was removed. Unlinking a file of many scattered extents at
// once holds up everybody's syncs on that disk for as long as it takes (42 s
// for 262,144 extents, measured); so files are truncated from their end in
// slices, with pauses.
type trash struct {
	fs    vfs.FS
	dir   string
	space *space
	log   *slog.Logger
	wake  chan struct{}
	left  atomic.Int64 // bytes, as last measured

	awaited atomic.Int32 // those who wait for it to be empty: then there are no pauses

	work sync.Mutex // held while emptying
	mu   sync.Mutex
	// held are names whose move here is not durable yet: a power cut may put
	// them back where they were, and they must be whole then.
	held map[string]bool
}

const (
	// sliceMin is also what files are cut at multiples of, as large as the
	// largest folio of the page cache: a truncation inside of one zeroes the rest
	// of it, which a socket may still be sending (see Volume.Pin).
	sliceMin  = 2 << 20
	sliceGoal = 2 * time.Millisecond // of work at a time

	// Time given to others per time taken, so that few of their syncs meet a
	// slice; less while more is to be freed than the disk has left.
	pauseRatio, hurriedRatio = 48, 3
)

func newTrash(fs vfs.FS, dir string, space *space, log *slog.Logger) *trash {
	return &trash{fs: fs, dir: dir, space: space, log: log, wake: make(chan struct{}, 1), held: map[string]bool{}}
}

// throw moves a folder into the trash: from now on it is gone for everybody
// else. It is for what nothing refers to any more, durably.
func (t *trash) throw(name string) error {
	to, err := t.move(name)
	if err == nil {
		t.release(to)
	}
	return err
}

// move throws a folder away, but does not free it before release.
func (t *trash) move(name string) (to string, err error) {
	size, err := allocated(t.fs, name)
	if err != nil {
		return "", err
	}
	to = path.Base(name) + "~" + uuid.NewString()
	t.mu.Lock()
	t.held[to] = true
	t.mu.Unlock()
	if err := t.fs.Rename(name, path.Join(t.dir, to)); err != nil {
		return "", fmt.Errorf("move to trash: %w", renameError(err))
	}
	t.left.Add(size)
	return to, nil
}

func (t *trash) release(to string) {
	t.mu.Lock()
	delete(t.held, to)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *trash) isHeld(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[name]
}

// run frees until ctx ends; what is left then waits for the next Open.
func (t *trash) run(ctx context.Context) {
	for {
		if err := t.empty(ctx); err != nil && ctx.Err() == nil {
			t.log.Error("cannot free removed disks", "dir", t.dir, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
	}
}

// await empties it as fast as can be.
func (t *trash) await(ctx context.Context) error {
	t.awaited.Add(1)
	defer t.awaited.Add(-1)
	return t.empty(ctx)
}

func (t *trash) empty(ctx context.Context) error {
	t.work.Lock()
	defer t.work.Unlock()
	names, err := t.fs.List(t.dir)
	if err != nil {
		return err
	}
	var all []error
	for _, name := range names {
		if t.isHeld(name) {
			continue
		}
		all = append(all, t.free(ctx, path.Join(t.dir, name)))
	}
	return errors.Join(all...)
}

// free deletes one file or folder in slices.
func (t *trash) free(ctx context.Context, name string) error {
	fi, err := t.fs.Stat(name)
	if err != nil {
		return err
	}
	if !fi.Dir {
		if err := t.shrink(ctx, name); err != nil {
			return err
		}
		return t.fs.Remove(name)
	}
	names, err := t.fs.List(name)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.free(ctx, path.Join(name, n)); err != nil {
			return err
		}
	}
	return t.fs.Remove(name)
}

func (t *trash) shrink(ctx context.Context, name string) error {
	f, err := t.fs.OpenFile(name, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	for slice := int64(sliceMin); fi.Size > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		start, before := time.Now(), fi.Allocated
		fi.Size = max(0, (fi.Size-slice)&^(sliceMin-1))
		if err := f.Truncate(fi.Size); err != nil {
			return err
		}
		took := time.Since(start)
		if after, err := f.Stat(); err == nil {
			fi.Allocated = after.Allocated
			t.left.Add(after.Allocated - before)
		}
		if took < sliceGoal {
			slice *= 2
		} else {
			slice = max(sliceMin, slice/2)
		}
		if before != fi.Allocated {
			pause(ctx, min(t.pauseRatio()*took, time.Second))
		}
	}
	return nil
}

func (t *trash) pauseRatio() time.Duration {
	if t.awaited.Load() > 0 {
		return 0
	}
	if left, err := t.space.left(); err == nil && left < t.left.Load() {
		return hurriedRatio
	}
	return pauseRatio
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// allocated adds up what a file or a folder's files occupy.
func allocated(fs vfs.FS, name string) (int64, error) {
	fi, err := fs.Stat(name)
	if err != nil || !fi.Dir {
		return fi.Allocated, err
	}
	names, err := fs.List(name)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, n := range names {
		if strings.HasSuffix(n, ".tmp") {
			continue // about to be renamed by a concurrent writeMeta
		}
		size, err := allocated(fs, path.Join(name, n))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}
