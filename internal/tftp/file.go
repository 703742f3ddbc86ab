package tftp

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
)

// OSFile makes a File of an open file and owns it from then on: it is closed
// also when it is refused for being no regular file.
func OSFile(f *os.File) (File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %q: not a regular file: %w", f.Name(), fs.ErrPermission)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return osFile{f, info.Size()}, nil
}

type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

// Bytes makes a File of a slice, which must not change while it is served.
func Bytes(b []byte) File { return bytesFile{bytes.NewReader(b)} }

type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }
