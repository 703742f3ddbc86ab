package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// outFile is a file that gets its name when it is whole and on the disk. Until
// then it lies beside, under a name of its own. Only its owner may read it:
// disks hold keys.
type outFile struct {
	*os.File
	path    string
	replace bool
}

func createOut(path string, replace bool) (*outFile, error) {
	st, err := os.Stat(path)
	switch {
	case err == nil && st.IsDir():
		return nil, usage("%q is a folder: name a file", path)
	case err == nil && !st.Mode().IsRegular():
		return nil, usage("%q is no regular file", path)
	case err == nil && !replace:
		return nil, existsError(path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err // its name is not the one that was asked for
	}
	if err != nil {
		return nil, fmt.Errorf("make %q: %w", path, err)
	}
	return &outFile{f, path, replace}, nil
}

func existsError(path string) error {
	return withCode(exitRefused, fmt.Errorf("%q exists: name another file, or --force replaces it", path))
}

// finish gives the file its name, or after an error removes it.
func (o *outFile) finish(err error) error {
	if err == nil {
		err = o.Sync()
	}
	err = errors.Join(err, o.Close())
	if err == nil {
		err = o.rename()
	}
	if err != nil {
		return errors.Join(err, os.Remove(o.Name()))
	}
	return syncFolder(filepath.Dir(o.path))
}

func (o *outFile) rename() error {
	if o.replace {
		return os.Rename(o.Name(), o.path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, o.Name(), unix.AT_FDCWD, o.path, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // NFS, for one, cannot
		if _, err := os.Lstat(o.path); !errors.Is(err, fs.ErrNotExist) {
			return existsError(o.path)
		}
		return os.Rename(o.Name(), o.path)
	case errors.Is(err, fs.ErrExist):
		return existsError(o.path)
	case err != nil:
		return fmt.Errorf("rename to %q: %w", o.path, err)
	}
	return nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
