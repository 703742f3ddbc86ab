// Package crashfs is a file system in memory that can lose power, lose its
// process and fail: the other side of package vfs, for tests.
//
// Content becomes durable by File.Sync, and sector by sector whenever the file
// system feels like it (as a kernel's write-back does). Names become durable
// by SyncDir, in the order in which they were changed, or earlier.
package crashfs

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"bootes.dev/internal/cow/vfs"
)

const (
	sectorSize = 512
	pageSize   = 4096
)

// FS is a vfs.FS. Each handle dies with the process that opened it.
type FS struct {
	mu    sync.Mutex
	rng   *rand.Rand
	names map[string]*inode // as the running system sees them
	saved map[string]*inode // as the disk has them
	log   []change          // from saved to names
	life  int               // of the process
	locks map[string]int

	faults    func(op, name string) error
	syncTime  time.Duration
	capacity  int64
	allocated int64
}

type change struct {
	from, to string // "" for none
	node     *inode
}

// New returns an empty file system with the folder root in it.
func New(seed uint64, root string) *FS {
	d := &inode{dir: true}
	return &FS{
		rng:   rand.New(rand.NewPCG(seed, 77)),
		names: map[string]*inode{root: d}, saved: map[string]*inode{root: d},
		locks: map[string]int{},
	}
}

// SetFault has fn asked before each operation ("sync", "write", "rename" …):
// its error is the result. A failed sync loses what it should have saved.
func (fs *FS) SetFault(fn func(op, name string) error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.faults = fn
}

// SetSyncTime makes each sync take so long, in which others may write.
func (fs *FS) SetSyncTime(d time.Duration) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.syncTime = d
}

// SetCapacity limits the allocated pages, in bytes; 0: no limit.
func (fs *FS) SetCapacity(n int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.capacity = n
}

// Allocated is how many bytes all files occupy.
func (fs *FS) Allocated() int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.allocated
}

// Kill ends the process: its handles and locks are gone, all else stays.
func (fs *FS) Kill() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.life++
	clear(fs.locks)
}

// PowerCut ends the machine: of what was not synced some sectors and the first
// few names are there, or all of it or none.
func (fs *FS) PowerCut() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.life++
	clear(fs.locks)
	keep := fs.rng.IntN(3) // none, some, all
	n := len(fs.log) * keep / 2
	if keep == 1 && len(fs.log) > 0 {
		n = fs.rng.IntN(len(fs.log) + 1)
	}
	fs.save(n)
	fs.log = nil
	fs.names = map[string]*inode{}
	fs.allocated = 0
	for name, node := range fs.saved {
		fs.names[name] = node
		node.cut(fs.rng, keep)
		fs.allocated += int64(len(node.now)) * pageSize
	}
}

// save makes the first n changes of names durable.
func (fs *FS) save(n int) {
	for _, c := range fs.log[:n] {
		move(fs.saved, c)
	}
	fs.log = fs.log[n:]
}

func move(names map[string]*inode, c change) {
	if c.from != "" && c.to != "" {
		for name, node := range names { // what is in a folder comes along
			if rest, ok := strings.CutPrefix(name, c.from+"/"); ok {
				delete(names, name)
				names[c.to+"/"+rest] = node
			}
		}
	}
	if c.from != "" {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

func (fs *FS) change(c change) {
	move(fs.names, c)
	fs.log = append(fs.log, c)
}

func (fs *FS) fault(op, name string) error {
	if fs.faults == nil {
		return nil
	}
	return fs.faults(op, name)
}

func (fs *FS) find(op, name string) (*inode, error) {
	if err := fs.fault(op, name); err != nil {
		return nil, &os.PathError{Op: op, Path: name, Err: err}
	}
	if n := fs.names[name]; n != nil {
		return n, nil
	}
	return nil, &os.PathError{Op: op, Path: name, Err: os.ErrNotExist}
}

func (fs *FS) OpenFile(name string, flag int) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	node, err := fs.find("open", name)
	switch {
	case node != nil && flag&os.O_EXCL != 0:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrExist}
	case node == nil && flag&os.O_CREATE != 0 && fs.names[path.Dir(name)] != nil && fs.names[name] == nil:
		node = &inode{now: map[int64]*[pageSize]byte{}, disk: map[int64]*[pageSize]byte{}, dirty: map[int64]bool{}, lost: map[int64]bool{}}
		fs.change(change{to: name, node: node})
	case err != nil:
		return nil, err
	}
	return &file{fs: fs, name: name, node: node, life: fs.life}, nil
}

func (fs *FS) Mkdir(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.fault("mkdir", name); err != nil {
		return err
	}
	if fs.names[name] == nil {
		fs.change(change{to: name, node: &inode{dir: true}})
	}
	return nil
}

func (fs *FS) Rename(from, to string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	node, err := fs.find("rename", from)
	if err != nil {
		return err
	}
	fs.change(change{from, to, node})
	return nil
}

func (fs *FS) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	node, err := fs.find("remove", name)
	if err != nil {
		return err
	}
	if len(fs.list(name)) > 0 {
		return &os.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	fs.allocated -= int64(len(node.now)) * pageSize
	fs.change(change{from: name, node: node})
	return nil
}

func (fs *FS) list(dir string) (names []string) {
	for name := range fs.names {
		if path.Dir(name) == dir && name != dir {
			names = append(names, path.Base(name))
		}
	}
	sort.Strings(names)
	return names
}

func (fs *FS) List(dir string) ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.find("list", dir); err != nil {
		return nil, err
	}
	return fs.list(dir), nil
}

func (fs *FS) Stat(name string) (vfs.Info, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.find("stat", name)
	if err != nil {
		return vfs.Info{}, err
	}
	return n.info(), nil
}

func (fs *FS) SyncDir(dir string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.find("syncdir", dir); err != nil {
		return err
	}
	last := 0
	for i, c := range fs.log {
		if path.Dir(c.from) == dir || path.Dir(c.to) == dir {
			last = i + 1
		}
	}
	fs.save(last)
	return nil
}

func (fs *FS) Free(string) (int64, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.capacity == 0 {
		return 1 << 50, nil
	}
	return fs.capacity - fs.allocated, nil
}

type unlocker struct {
	fs   *FS
	name string
	life int
}

func (u unlocker) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	if u.life == u.fs.life {
		delete(u.fs.locks, u.name)
	}
	return nil
}

func (fs *FS) Lock(name string) (io.Closer, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if pid := fs.locks[name]; pid != 0 {
		return nil, &vfs.LockedError{Name: name, PID: pid}
	}
	fs.locks[name] = 4242
	return unlocker{fs, name, fs.life}, nil
}

// Corrupt flips bits of a stored file, as a disk may.
func (fs *FS) Corrupt(name string, off int64) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.names[name]
	if n == nil || off >= n.size {
		return fmt.Errorf("corrupt %q at %d: no such byte", name, off)
	}
	p := n.page(off / pageSize)
	p[off%pageSize] ^= 0xff
	n.dirty[off/sectorSize] = true
	n.save(off / sectorSize)
	return nil
}
