package crashfs

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sort"
	"syscall"
	"time"

	"bootes.dev/internal/cow/vfs"
)

// inode has its content twice: as the running system sees it and as the disk
// has it.
type inode struct {
	dir       bool
	now, disk map[int64]*[pageSize]byte
	size      int64
	diskSize  int64
	dirty     map[int64]bool // sectors to be saved
	lost      map[int64]bool // sectors that a failed sync marked clean
}

func (n *inode) info() vfs.Info {
	return vfs.Info{Size: n.size, Allocated: int64(len(n.now)) * pageSize, Dir: n.dir}
}

func (n *inode) page(i int64) *[pageSize]byte {
	p := n.now[i]
	if p == nil {
		p = new([pageSize]byte)
		n.now[i] = p
	}
	return p
}

// save writes one sector back to the disk.
func (n *inode) save(s int64) {
	copySector(n.disk, n.now, s)
	delete(n.dirty, s)
	delete(n.lost, s)
}

func copySector(to, from map[int64]*[pageSize]byte, s int64) {
	i, at := s*sectorSize/pageSize, s*sectorSize%pageSize
	src := from[i]
	if src == nil {
		if to[i] != nil {
			clear(to[i][at : at+sectorSize])
		}
		return
	}
	if to[i] == nil {
		to[i] = new([pageSize]byte)
	}
	copy(to[i][at:at+sectorSize], src[at:at+sectorSize])
}

// cut leaves what a power cut leaves. keep: 0 nothing, 1 some, 2 all of what
// was not synced.
func (n *inode) cut(rng *rand.Rand, keep int) {
	if n.dir {
		return
	}
	for _, s := range sorted(n.dirty) {
		if keep == 2 || keep == 1 && rng.IntN(2) == 0 {
			n.save(s)
		}
	}
	if keep == 2 || keep == 1 && rng.IntN(2) == 0 {
		n.diskSize = n.size
	}
	n.size = n.diskSize
	clear(n.now)
	for i, p := range n.disk {
		c := *p
		n.now[i] = &c
	}
	clear(n.dirty)
	clear(n.lost)
}

// sorted makes a run repeatable from its seed.
func sorted(set map[int64]bool) []int64 {
	list := make([]int64, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}

type file struct {
	fs     *FS
	name   string
	node   *inode
	life   int
	closed bool
}

// enter locks the file system and asks whether the operation may be done.
func (f *file) enter(op string) error {
	f.fs.mu.Lock()
	switch {
	case f.closed:
		return os.ErrClosed
	case f.life != f.fs.life:
		return os.ErrProcessDone
	}
	if err := f.fs.fault(op, f.name); err != nil {
		return &os.PathError{Op: op, Path: f.name, Err: err}
	}
	return nil
}

func (f *file) leave() { f.fs.mu.Unlock() }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	defer f.leave()
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) && off+int64(n) < f.node.size {
		at := off + int64(n)
		m := min(len(p)-n, int(pageSize-at%pageSize), int(f.node.size-at))
		if pg := f.node.now[at/pageSize]; pg != nil {
			copy(p[n:n+m], pg[at%pageSize:])
		} else {
			clear(p[n : n+m])
		}
		n += m
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	defer f.leave()
	if err := f.enter("write"); err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		at := off + int64(n)
		if f.node.now[at/pageSize] == nil {
			if f.fs.capacity > 0 && f.fs.allocated+pageSize > f.fs.capacity {
				return n, &os.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
			}
			f.fs.allocated += pageSize
		}
		m := copy(f.node.page(at / pageSize)[at%pageSize:], p[n:])
		f.touch(at, at+int64(m))
		n += m
		f.node.size = max(f.node.size, at+int64(m))
	}
	return len(p), nil
}

// touch marks sectors dirty; some are written back at once, so that the disk
// may have any state in between.
func (f *file) touch(from, to int64) {
	for s := from / sectorSize; s <= (to-1)/sectorSize; s++ {
		delete(f.node.lost, s)
		f.node.dirty[s] = true
		if f.fs.rng.IntN(16) == 0 {
			f.node.save(s)
		}
	}
}

func (f *file) Truncate(size int64) error {
	defer f.leave()
	if err := f.enter("truncate"); err != nil {
		return err
	}
	for i := range f.node.now {
		if i*pageSize >= size {
			delete(f.node.now, i)
			f.fs.allocated -= pageSize
			f.touch(i*pageSize, (i+1)*pageSize)
		}
	}
	f.node.size = size
	return nil
}

func (f *file) Sync() error {
	defer f.leave()
	if err := f.enter("sync"); err != nil {
		if f.closed || f.life != f.fs.life || errors.Is(err, os.ErrProcessDone) {
			return err // the dead have no effect
		}
		for s := range f.node.dirty { // as Linux does: clean, and not on the disk
			f.node.lost[s] = true
			delete(f.node.dirty, s)
		}
		return err
	}
	list, size, d := sorted(f.node.dirty), f.node.size, f.fs.syncTime
	f.fs.mu.Unlock() // what is written meanwhile it need not save
	time.Sleep(d)
	f.fs.mu.Lock()
	if f.life != f.fs.life {
		return os.ErrProcessDone
	}
	for _, s := range list {
		if f.node.dirty[s] {
			f.node.save(s)
		}
	}
	f.node.diskSize = size
	return nil
}

func (f *file) Punch(off, n int64) error {
	defer f.leave()
	if err := f.enter("punch"); err != nil {
		return err
	}
	for at := off; at < off+n; at += pageSize {
		if f.node.now[at/pageSize] != nil {
			delete(f.node.now, at/pageSize)
			f.fs.allocated -= pageSize
			f.touch(at, at+pageSize)
		}
	}
	return nil
}

func (f *file) Forget() {
	defer f.leave()
	if f.enter("forget") != nil {
		return
	}
	for s := range f.node.lost {
		copySector(f.node.now, f.node.disk, s)
	}
	clear(f.node.lost)
}

func (f *file) Stat() (vfs.Info, error) {
	defer f.leave()
	if err := f.enter("stat"); err != nil {
		return vfs.Info{}, err
	}
	return f.node.info(), nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.leave()
	if f.closed {
		return os.ErrClosed
	}
	f.closed = true
	return nil
}
