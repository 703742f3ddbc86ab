// Package diskspace tells how large a file system is and what is free on it.
package diskspace

import (
	"os"

	"golang.org/x/sys/unix"
)

// Space is that of one file system; Capacity and Free are in bytes.
type Space struct {
	Capacity int64
	Free     int64 // what an ordinary user could still write
	Kind     int64 // of file system, statfs(2)
}

// Of is the space of the file system that holds path. Its error names the path.
func Of(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return space(&st), nil
}

// OfFile is the space of the file system that holds an open file.
func OfFile(f *os.File) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return Space{}, &os.PathError{Op: "fstatfs", Path: f.Name(), Err: err}
	}
	return space(&st), nil
}

// space converts every field: their types differ from one processor to the next.
func space(st *unix.Statfs_t) Space {
	unit := int64(st.Bsize)
	return Space{Capacity: int64(st.Blocks) * unit, Free: int64(st.Bavail) * unit, Kind: int64(st.Type)}
}
