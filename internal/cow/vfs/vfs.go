// Package vfs is the small door through which the copy-on-write engine does
// all its file work, so that tests can put a file system behind it that
// fails, loses power or dies.
//
// Durability follows POSIX and no more: file content is safe after
// File.Sync, a name (made, renamed, removed) after SyncDir of its folder.
package vfs

import (
	"fmt"
	"io"
)

// File is one open file. ReadAt and WriteAt may be called concurrently and
// are whole or fail, as with *os.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// ReadVec fills all buffers, at most VecMax, one after the other with what
	// lies from off on. After an error they may hold anything.
	ReadVec(bufs [][]byte, off int64) error
	// Cached is how many bytes of the pages of a range are in memory; -1 if that
	// is not known.
	Cached(off, n int64) int64
	// Truncate sets the length; new space reads as zeros.
	Truncate(size int64) error
	// Sync makes the content and the length durable. After an error the
	// kernel has forgotten which pages were at fault: a second Sync proves
	// nothing.
	Sync() error
	// WriteOut has the disk begin with what was written to the range, and does
	// not wait for it. It is advice: only Sync makes durable.
	WriteOut(off, n int64)
	// Punch turns the range into a hole; the length stays.
	Punch(off, n int64) error
	// Forget drops clean cached content, so that the next reads come from
	// the disk itself. It is advice.
	Forget()
	Stat() (Info, error)
}

// VecMax is how many buffers one ReadVec takes; IOV_MAX of Linux.
const VecMax = 1024

// ReadEach is a ReadVec of separate reads.
func ReadEach(f io.ReaderAt, bufs [][]byte, off int64) error {
	for _, p := range bufs {
		if n, err := f.ReadAt(p, off); n < len(p) {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// Info is what the engine asks of a file: both figures in bytes.
type Info struct {
	Size      int64
	Allocated int64 // what it occupies on the disk, from st_blocks
	Dir       bool
}

// FS is a file system. Names are slash-separated paths.
type FS interface {
	// OpenFile takes os.O_RDONLY, O_RDWR, O_CREATE, O_EXCL.
	OpenFile(name string, flag int) (File, error)
	Mkdir(name string) error // no error if it is there
	Rename(from, to string) error
	Remove(name string) error // a file or an empty folder
	List(dir string) ([]string, error)
	Stat(name string) (Info, error)
	SyncDir(dir string) error
	// Space is the number of bytes that an ordinary user could still write, and
	// that of the whole disk.
	Space(dir string) (free, size int64, err error)
	// Lock takes an exclusive lock that ends with the process. It returns a
	// *LockedError if somebody holds it.
	Lock(name string) (io.Closer, error)
}

// LockedError says which process holds a lock.
type LockedError struct {
	Name string
	PID  int // 0: unknown
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%q is locked by process %d", e.Name, e.PID)
}

// ReadFile returns the whole content of a file of at most limit bytes.
func ReadFile(fs FS, name string, limit int64) ([]byte, error) {
	f, err := fs.OpenFile(name, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size > limit {
		return nil, fmt.Errorf("read %q: %d bytes, more than %d", name, fi.Size, limit)
	}
	p := make([]byte, fi.Size)
	if n, err := f.ReadAt(p, 0); err != nil && n < len(p) {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return p, nil
}
