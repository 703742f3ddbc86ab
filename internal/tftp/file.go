package tftp

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// OSFile makes a File of an open file and owns it from then on: it is closed
// also when it is refused for being no regular file. Transfers of the same file
// share one descriptor.
func OSFile(f *os.File) (File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %q: not a regular file: %w", f.Name(), fs.ErrPermission)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return osFile{f, info}, nil
}

type osFile struct {
	*os.File
	info fs.FileInfo
}

func (f osFile) Size() int64 { return f.info.Size() }

// fileID tells files apart, and what was changed from what it was before.
type fileID struct {
	dev, ino uint64
	modified time.Time
	size     int64
}

func (f osFile) id() fileID {
	st := f.info.Sys().(*syscall.Stat_t)
	return fileID{uint64(st.Dev), st.Ino, f.info.ModTime(), f.info.Size()}
}

// Bytes makes a File of a slice, which must not change while it is served.
func Bytes(b []byte) File { return bytesFile{bytes.NewReader(b)} }

type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }

// shelf has the files that are being sent, each open once: a room of machines
// fetches the same loader.
type shelf struct {
	mu   sync.Mutex
	open map[fileID]*sharedFile
}

// sharedFile is closed with its last user.
type sharedFile struct {
	osFile
	shelf *shelf
	users int // guarded by the shelf
}

// share returns what is to be used in place of f.
func (s *shelf) share(f File) File {
	file, ok := f.(osFile)
	if !ok {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.open[file.id()]; have != nil {
		file.Close()
		have.users++
		return have
	}
	shared := &sharedFile{osFile: file, shelf: s, users: 1}
	s.open[file.id()] = shared
	return shared
}

func (f *sharedFile) Close() error {
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	if f.users--; f.users > 0 {
		return nil
	}
	delete(f.shelf.open, f.id())
	return f.osFile.Close()
}
