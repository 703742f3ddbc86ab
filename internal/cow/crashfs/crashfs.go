// Package crashfs is a file system in memory that can lose power, lose its
// process and fail: the other side of package vfs, for tests.
//
// Every change is an operation in one order. Content becomes durable by
// File.Sync, which covers what came before it began, and names by SyncDir of
// a folder that they are in; or both of themselves, sector by sector and name
// by name, whenever the file system feels like it. So a power cut leaves
// what was synced and, of the rest, any part in which each sector has one of
// the values that it went through since, and each name hangs together with
// what it needs. Lengths and holes are content. The death of the process
// loses no operation that has returned.
//
// A Log keeps the operations, and a Replay of it builds the disk that each
// crash at each point would have left.
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

// FS is a vfs.FS. Each handle dies with the process that opened it.
type FS struct {
	mu    sync.Mutex
	rng   *rand.Rand
	m     *machine
	log   *Log
	life  int // of the process
	locks map[string]int

	faults    func(op, name string) error
	syncTime  time.Duration
	capacity  int64
	allocated int64
}

// New returns an empty file system with the folder root in it. The seed
// decides what its power cuts leave.
func New(seed uint64, root string) *FS {
	fs := newFS(newMachine(), seed)
	for i, c := range root {
		if c == '/' && i > 0 {
			_ = fs.Mkdir(root[:i])
		}
	}
	if root != "/" {
		_ = fs.Mkdir(root)
	}
	fs.m = fs.m.cut(allOrNone{true, true})
	return fs
}

func newFS(m *machine, seed uint64) *FS {
	return &FS{rng: rand.New(rand.NewPCG(seed, 77)), m: m, locks: map[string]int{}, allocated: m.now.sweep()}
}

// SetFault has fn asked before each operation ("sync", "write", "rename" …):
// its error is the result, and the operation has no effect. But a failed sync
// loses what it should have saved, and a write that fails with a ShortWrite is
// done in part. fn must not use the file system.
func (fs *FS) SetFault(fn func(op, name string) error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.faults = fn
}

// ShortWrite is the error of a write whose first half was done, without tearing
// a sector that it would have filled.
type ShortWrite struct{ Err error }

func (e *ShortWrite) Error() string { return "short write: " + e.Err.Error() }
func (e *ShortWrite) Unwrap() error { return e.Err }

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

// IsHole reports whether a file has nothing in the page of 4096 bytes at off.
func (fs *FS) IsHole(name string, off int64) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, _ := fs.lookup(name)
	return n == nil || n.pages[off/pageSize] == nil
}

// Kill ends the process: its handles and locks are gone, all else stays.
func (fs *FS) Kill() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.life++
	clear(fs.locks)
	fs.allocated = fs.m.now.sweep()
}

// PowerCut ends the machine. What was not synced is there, or not, or in part.
func (fs *FS) PowerCut() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.life++
	clear(fs.locks)
	var c choice = newRandom(fs.m, fs.rng.Uint64())
	if k := fs.rng.IntN(3); k > 0 {
		c = allOrNone{k == 1, k == 1}
	}
	fs.m = fs.m.cut(c)
	fs.allocated = fs.m.now.sweep()
}

// do takes an operation into the file system and its log.
func (fs *FS) do(o *op) {
	before := fs.m.now.nodes[o.node]
	had := int64(0)
	if before != nil {
		had = before.allocated()
	}
	fs.m.do(o)
	switch {
	case o.kind == opRemove:
		fs.allocated -= had
	case o.content():
		fs.allocated += fs.m.now.nodes[o.node].allocated() - had
	}
	fs.log.add(o)
}

func (fs *FS) fault(op, name string) error {
	if fs.faults == nil {
		return nil
	}
	return fs.faults(op, name)
}

// lookup returns the file or folder of a name and its number, or nil.
func (fs *FS) lookup(name string) (*node, int) {
	i := 0
	n := fs.m.now.nodes[0]
	for _, part := range strings.Split(strings.Trim(path.Clean(name), "/"), "/") {
		if part == "" {
			continue
		}
		var ok bool
		if i, ok = n.names[part]; !ok {
			return nil, 0
		}
		n = fs.m.now.nodes[i]
	}
	return n, i
}

// find is lookup for an operation that may fail.
func (fs *FS) find(what, name string) (*node, int, error) {
	if err := fs.fault(what, name); err != nil {
		return nil, 0, &os.PathError{Op: what, Path: name, Err: err}
	}
	n, i := fs.lookup(name)
	if n == nil {
		return nil, 0, &os.PathError{Op: what, Path: name, Err: os.ErrNotExist}
	}
	return n, i, nil
}

// parent returns the folder in which a name is or would be.
func (fs *FS) parent(what, name string) (dir int, base string, err error) {
	n, dir := fs.lookup(path.Dir(name))
	if n == nil || !n.dir {
		return 0, "", &os.PathError{Op: what, Path: name, Err: os.ErrNotExist}
	}
	return dir, path.Base(name), nil
}

func (fs *FS) OpenFile(name string, flag int) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.fault("open", name); err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	n, i := fs.lookup(name)
	switch {
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrExist}
	case n != nil && n.dir:
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case n == nil && flag&os.O_CREATE == 0:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	case n == nil:
		var err error
		if i, err = fs.make(opCreate, name); err != nil {
			return nil, err
		}
	}
	return &file{fs: fs, name: name, node: i, life: fs.life, readOnly: flag&os.O_RDWR == 0}, nil
}

func (fs *FS) make(k kind, name string) (int, error) {
	dir, base, err := fs.parent(kindNames[k], name)
	if err != nil {
		return 0, err
	}
	i := fs.m.next
	fs.do(&op{kind: k, name: name, node: i, dir: dir, base: base})
	return i, nil
}

func (fs *FS) Mkdir(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.fault("mkdir", name); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	if n, _ := fs.lookup(name); n != nil {
		return nil
	}
	_, err := fs.make(opMkdir, name)
	return err
}

func (fs *FS) Rename(from, to string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	_, i, err := fs.find("rename", from)
	if err != nil {
		return err
	}
	o := &op{kind: opRename, name: from, node: i}
	if o.dir, o.base, err = fs.parent("rename", from); err != nil {
		return err
	}
	if o.toDir, o.toBase, err = fs.parent("rename", to); err != nil {
		return err
	}
	if old, _ := fs.lookup(to); old != nil {
		if old.dir && len(old.names) > 0 {
			return &os.PathError{Op: "rename", Path: to, Err: syscall.ENOTEMPTY}
		}
		fs.allocated -= old.allocated()
	}
	fs.do(o)
	return nil
}

func (fs *FS) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, i, err := fs.find("remove", name)
	if err != nil {
		return err
	}
	if len(n.names) > 0 {
		return &os.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	dir, base, err := fs.parent("remove", name)
	if err == nil {
		fs.do(&op{kind: opRemove, name: name, node: i, dir: dir, base: base})
	}
	return err
}

func (fs *FS) List(dir string) ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, _, err := fs.find("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &os.PathError{Op: "list", Path: dir, Err: syscall.ENOTDIR}
	}
	names := make([]string, 0, len(n.names))
	for name := range n.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

func (fs *FS) Stat(name string) (vfs.Info, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, _, err := fs.find("stat", name)
	if err != nil {
		return vfs.Info{}, err
	}
	return n.info(), nil
}

func (fs *FS) SyncDir(dir string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	_, i, err := fs.find("syncdir", dir)
	if err == nil {
		fs.do(&op{kind: opSyncDir, name: dir, node: i})
	}
	return err
}

func (fs *FS) Space(dir string) (free, size int64, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.fault("free", dir); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.capacity == 0 {
		return 1 << 50, 1 << 50, nil
	}
	return fs.capacity - fs.allocated, fs.capacity, nil
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
	if err := fs.fault("lock", name); err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
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
	n, i := fs.lookup(name)
	if n == nil || off >= n.size {
		return fmt.Errorf("corrupt %q at %d: no such byte", name, off)
	}
	b := []byte{0}
	n.read(b, off)
	o := &op{kind: opWrite, name: name, node: i, off: off, n: 1, data: []byte{b[0] ^ 0xff}}
	fs.do(o)
	fs.do(&op{kind: opSync, name: name, node: i, since: o.id + 1})
	return nil
}
