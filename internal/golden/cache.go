package golden

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Cached returns the path of an image in the folder dir that was built with the
// given options, and builds it first when there is none yet. Output is ignored.
// Processes that want the same image at the same time wait for one of them to
// build it. The caller must not change the file.
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
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock image cache: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	o.Output = path
	if o.CacheDir == "" {
		o.CacheDir = filepath.Join(dir, "packages")
	}
	return path, Build(ctx, o)
}
