package golden

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Cached returns the path of an image in the folder dir that was built with the
// given options, and builds it first when there is none yet. Output is ignored.
// Processes that want the same image at the same time wait for one of them to
// build it. The caller must not change the file. A build drops images that
// nobody has asked for in a week: each change of the recipe makes another.
func Cached(ctx context.Context, dir string, o Options) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make image cache: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("golden-%s.raw", o.Key()))
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("open lock of image cache: %w", err)
	}
	defer lock.Close()
	if err := flock(ctx, lock); err != nil {
		return "", fmt.Errorf("lock image cache (%q): %w", lock.Name(), err)
	}
	now := time.Now()
	if os.Chtimes(path, now, now) == nil {
		return path, nil
	}
	dropOld(dir, now.AddDate(0, 0, -7))
	o.Output = path
	if o.CacheDir == "" {
		o.CacheDir = filepath.Join(dir, "packages")
	}
	return path, Build(ctx, o)
}

// flock waits until nobody else has the lock.
func flock(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process has it, to build the image: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// dropOld removes the cached images that were last asked for before a time. One
// that cannot be removed only costs space.
func dropOld(dir string, before time.Time) {
	images, _ := filepath.Glob(filepath.Join(dir, "golden-*.raw"))
	for _, path := range images {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(path)
			_ = os.Remove(path + ".lock")
		}
	}
}
