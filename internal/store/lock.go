package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) less its final zero byte.
const maxSocketPath = 107

func checkSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("open store: socket path %q has %d bytes, the kernel takes %d: choose a data folder with a shorter path", path, len(path), maxSocketPath)
	}
	return nil
}

// lockDir makes dir and locks it for this process. The lock is our own and
// taken before etcd is started: etcd would wait for its lock in silence, and
// would first have removed the sockets of the server that holds it.
func lockDir(dir string) (*os.File, error) {
	private := filepath.Join(dir, etcdFolder)
	if err := os.MkdirAll(private, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	// Only this one: dir is the operator's, and may be /var by mistake.
	if err := os.Chmod(private, 0o700); err != nil {
		return nil, fmt.Errorf("protect data folder: %w", err)
	}
	name := filepath.Join(private, "lock") // not in dir: the storage engine's may be there
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, &InUseError{Dir: dir, PID: readPID(name)}
		}
		return nil, fmt.Errorf("lock data folder %q: %w", dir, err)
	}
	if err := writePID(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %q: %w", name, err)
	}
	return f, nil
}

// writePID is best effort on a full disk: the lock holds without the number.
func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil && !isNoSpace(err) {
		return err
	}
	return nil
}

func readPID(name string) int {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}
