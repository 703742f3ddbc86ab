package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/diskspace"
)

// reserve is a preallocated file that is given up when the file system is
// nearly full, so that etcd can write its log until the operator has made
// room. It is taken back once there is room for it and as much again as the
// threshold: without that gap it would come and go.
//
// Between two looks another program may fill the disk faster than the reserve
// is given up. Then etcd ends the process, and the next Open gives the reserve
// up before it starts etcd. So a restart cures it.
type reserve struct {
	path      string
	size, low int64
	free      func(string) (int64, error)
	log       *slog.Logger

	mu    sync.Mutex
	state reserveState
	err   error // why the reserve is not held; nil while it is
}

type reserveState int

const (
	unknown  reserveState = iota
	held                  // the file is there
	released              // given up, or no room for it yet
)

func newReserve(o Options, log *slog.Logger) *reserve {
	return &reserve{
		path: filepath.Join(o.Dir, "reserve"), size: o.ReserveBytes, low: o.LowBytes,
		free: o.free, log: log,
	}
}

// trouble is nil while the reserve is held.
func (r *reserve) trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// check looks at the free space and gives up or takes back the reserve.
func (r *reserve) check() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size < 0 {
		return
	}
	avail, err := r.free(filepath.Dir(r.path))
	if err != nil {
		r.fail(fmt.Errorf("look at free space: %w", err))
		return
	}
	switch {
	case r.onDisk() && avail < r.low:
		r.giveUp(avail)
	case r.onDisk():
		r.take(nil)
	case avail >= r.size+2*r.low:
		r.take(allocate(r.path, r.size))
	default:
		r.fail(fmt.Errorf("the disk under %q is nearly full (%d MiB free) and the reserve of the store is in use: make room, or remove volumes and images", filepath.Dir(r.path), avail>>20))
	}
}

func (r *reserve) take(err error) {
	if err != nil {
		r.fail(fmt.Errorf("take the reserve: %w", err))
		return
	}
	if r.state == released {
		r.log.Info("the store has its reserve again", "file", r.path, "bytes", r.size)
	}
	r.state, r.err = held, nil
}

func (r *reserve) giveUp(avail int64) {
	err := os.Truncate(r.path, 0) // frees the space even where the name cannot be removed
	err = errors.Join(err, os.Remove(r.path))
	if err != nil {
		r.fail(fmt.Errorf("give up the reserve: %w", err))
		return
	}
	r.fail(fmt.Errorf("the disk under %q is nearly full (%d MiB were free): the store has given up its reserve of %d MiB to stay alive; make room now, or remove volumes and images",
		filepath.Dir(r.path), avail>>20, r.size>>20))
}

// fail logs the reason when the state changes, not at every look.
func (r *reserve) fail(err error) {
	if r.state != released {
		r.log.Error(err.Error(), "file", r.path)
	}
	r.state, r.err = released, err
}

// onDisk says whether the file holds all its blocks: a hole would be no reserve.
func (r *reserve) onDisk() bool {
	var st unix.Stat_t
	if err := unix.Stat(r.path, &st); err != nil {
		return false
	}
	return st.Size == r.size && st.Blocks*512 >= r.size
}

func allocate(path string, size int64) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(fill(f, size), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// fill gives an empty file all its blocks: with zeros, on a file system without
// fallocate.
func fill(f *os.File, size int64) error {
	var err error = unix.EINTR
	for err == unix.EINTR {
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err != unix.EOPNOTSUPP {
		return err
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if _, err := f.WriteAt(buf[:min(int64(len(buf)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	s, err := diskspace.Of(dir)
	return s.Free, err
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
