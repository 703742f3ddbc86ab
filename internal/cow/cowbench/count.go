package cowbench

import (
	"sync/atomic"

	"bootes.dev/internal/cow/vfs"
)

// countingFS counts syncs: the figure that carries over to disks where they
// are not as cheap as here.
type countingFS struct {
	vfs.FS
	files, folders atomic.Int64
}

func (c *countingFS) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := c.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &countingFile{f, c}, nil
}

func (c *countingFS) SyncDir(dir string) error {
	c.folders.Add(1)
	return c.FS.SyncDir(dir)
}

type countingFile struct {
	vfs.File
	c *countingFS
}

func (f *countingFile) Sync() error {
	f.c.files.Add(1)
	return f.File.Sync()
}

// during returns how many syncs fn causes, of files and of folders.
func (c *countingFS) during(fn func() error) (files, folders int64, err error) {
	files, folders = c.files.Load(), c.folders.Load()
	err = fn()
	return c.files.Load() - files, c.folders.Load() - folders, err
}
