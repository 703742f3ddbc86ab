package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/diskspace"
)

// OS is the real file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOATIME, 0o600)
	if errors.Is(err, unix.EPERM) { // O_NOATIME is for the owner only
		f, err = os.OpenFile(name, flag, 0o600)
	}
	if err != nil {
		return nil, err
	}
	c, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f, c}, nil
}

func (osFS) Mkdir(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) List(dir string) ([]string, error) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Stat(name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return Info{}, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return info(&st), nil
}

func info(st *unix.Stat_t) Info {
	return Info{Size: st.Size, Allocated: st.Blocks * 512, Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Space(dir string) (free, size int64, err error) {
	s, err := diskspace.Of(dir)
	return s.Free, s.Capacity, err
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Name: name, PID: readPID(f)}
		}
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write pid: %w", err)
	}
	return lock{f}, nil
}

type lock struct{ *os.File }

// Close unlocks by name: a child that was forked meanwhile, and has not got to
// its exec, has the descriptor too.
func (l lock) Close() error {
	err := control(l.File, func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
	return errors.Join(err, l.File.Close())
}

func readPID(f *os.File) int {
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

// osFile keeps the *os.File that owns the descriptor: a bare number could be
// closed by the collector and then mean another file.
type osFile struct {
	*os.File
	conn syscall.RawConn
}

// Conn lets other system calls use the file, which stays open meanwhile.
func (f *osFile) Conn() syscall.RawConn { return f.conn }

// control runs fn on the descriptor, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var res error
	err = c.Control(func(fd uintptr) {
		for res = fn(int(fd)); res == unix.EINTR; res = fn(int(fd)) {
		}
	})
	return errors.Join(err, res)
}

// writeMax is how much one system call writes. Linux 6.18 on ext4 puts each into
// one piece of memory if it can; it takes six times as long to find pieces of
// 1 MiB as to copy into four of a quarter.
const writeMax = 256 << 10

func (f *osFile) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = f.File.WriteAt(p[n:min(len(p), n+writeMax)], off+int64(n))
		n += m
	}
	return n, err
}

func (f *osFile) Sync() error {
	if err := control(f.File, unix.Fdatasync); err != nil {
		return fmt.Errorf("sync %q: %w", f.Name(), err)
	}
	return nil
}

func (f *osFile) WriteOut(off, n int64) {
	_ = control(f.File, func(fd int) error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
}

func (f *osFile) Punch(off, n int64) error {
	err := control(f.File, func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if err != nil {
		return fmt.Errorf("punch %q: %w", f.Name(), err)
	}
	return nil
}

func (f *osFile) Forget() {
	_ = control(f.File, func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
}

func (f *osFile) Stat() (Info, error) {
	var st unix.Stat_t
	if err := control(f.File, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, fmt.Errorf("stat %q: %w", f.Name(), err)
	}
	return info(&st), nil
}
