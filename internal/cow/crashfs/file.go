package crashfs

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"bootes.dev/internal/cow/vfs"
)

func (n *node) info() vfs.Info {
	return vfs.Info{Size: n.size, Allocated: n.allocated(), Dir: n.dir}
}

// read fills p as far as the file goes.
func (n *node) read(p []byte, off int64) (done int) {
	for done < len(p) && off+int64(done) < n.size {
		at := off + int64(done)
		m := min(len(p)-done, int(pageSize-at%pageSize), int(n.size-at))
		if pg := n.pages[at/pageSize]; pg != nil {
			copy(p[done:done+m], pg.data[at%pageSize:])
		} else {
			clear(p[done : done+m])
		}
		done += m
	}
	return done
}

type file struct {
	fs       *FS
	name     string
	node     int
	life     int
	readOnly bool
	closed   bool
}

// enter locks the file system and asks whether the operation may be done.
func (f *file) enter(what string) error {
	f.fs.mu.Lock()
	switch {
	case f.closed:
		return os.ErrClosed
	case f.life != f.fs.life:
		return os.ErrProcessDone
	}
	if err := f.fs.fault(what, f.name); err != nil {
		return &os.PathError{Op: what, Path: f.name, Err: err}
	}
	if f.readOnly && (what == "write" || what == "truncate" || what == "punch") {
		return &os.PathError{Op: what, Path: f.name, Err: syscall.EBADF}
	}
	return nil
}

func (f *file) leave() { f.fs.mu.Unlock() }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	defer f.leave()
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	n := f.fs.m.now.nodes[f.node].read(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	defer f.leave()
	err := f.enter("write")
	var short *ShortWrite
	switch {
	case errors.As(err, &short):
		p = p[:half(len(p))]
	case err != nil:
		return 0, err
	}
	if room := f.room(int64(len(p)), off); room < int64(len(p)) {
		p, err = p[:room], &os.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	if len(p) > 0 {
		f.fs.do(&op{kind: opWrite, name: f.name, node: f.node, off: off, n: int64(len(p)), data: append([]byte(nil), p...)})
	}
	return len(p), err
}

// half of a write that is cut short: whole sectors, if it has any.
func half(n int) int {
	if n < sectorSize {
		return n / 2
	}
	return n / 2 / sectorSize * sectorSize
}

// room returns how many of n bytes at off the disk has room for.
func (f *file) room(n, off int64) int64 {
	if f.fs.capacity == 0 {
		return n
	}
	left := (f.fs.capacity - f.fs.allocated) / pageSize
	for i := off / pageSize; i*pageSize < off+n; i++ {
		if f.fs.m.now.nodes[f.node].pages[i] != nil {
			continue
		}
		if left--; left < 0 {
			return max(0, i*pageSize-off)
		}
	}
	return n
}

func (f *file) Truncate(size int64) error {
	defer f.leave()
	if err := f.enter("truncate"); err != nil {
		return err
	}
	f.fs.do(&op{kind: opTruncate, name: f.name, node: f.node, n: size})
	return nil
}

func (f *file) Sync() error {
	defer f.leave()
	failed := f.enter("sync")
	if f.closed || f.life != f.fs.life || errors.Is(failed, os.ErrProcessDone) {
		return failed // the dead have no effect
	}
	begin := &op{kind: opSyncBegin, name: f.name, node: f.node}
	f.fs.do(begin)
	if d := f.fs.syncTime; d > 0 && failed == nil {
		f.fs.mu.Unlock() // what is written meanwhile it need not save
		time.Sleep(d)
		f.fs.mu.Lock()
		if f.life != f.fs.life {
			return os.ErrProcessDone
		}
	}
	end := &op{kind: opSync, name: f.name, node: f.node, since: begin.id}
	if failed != nil {
		end.kind, end.seed = opSyncFail, f.fs.rng.Uint64()
	}
	f.fs.do(end)
	return failed
}

func (f *file) Punch(off, n int64) error {
	defer f.leave()
	if err := f.enter("punch"); err != nil {
		return err
	}
	f.fs.do(&op{kind: opPunch, name: f.name, node: f.node, off: off, n: n})
	return nil
}

func (f *file) ReadVec(bufs [][]byte, off int64) error { return vfs.ReadEach(f, bufs, off) }

func (f *file) Cached(off, n int64) int64 { return -1 }

// WriteOut promises nothing, so it is not worth an operation.
func (f *file) WriteOut(off, n int64) {}

func (f *file) Forget() {
	defer f.leave()
	if f.enter("forget") == nil {
		f.fs.do(&op{kind: opForget, name: f.name, node: f.node})
	}
}

func (f *file) Stat() (vfs.Info, error) {
	defer f.leave()
	if err := f.enter("stat"); err != nil {
		return vfs.Info{}, err
	}
	return f.fs.m.now.nodes[f.node].info(), nil
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
