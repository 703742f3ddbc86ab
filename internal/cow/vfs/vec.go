package vfs

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vector is one preadv(2), or one cachestat(2). It is used again and again, so
// that a read allocates nothing.
type vector struct {
	list [VecMax]unix.Iovec
	n    int
	off  int64
	got  int
	call func(fd uintptr) // read

	within unix.CachestatRange
	cache  unix.Cachestat_t
	look   func(fd uintptr) // stat
}

var vectors = sync.Pool{New: func() any {
	v := new(vector)
	v.call, v.look = v.read, v.stat
	return v
}}

func (f *osFile) ReadVec(bufs [][]byte, off int64) error {
	v := vectors.Get().(*vector)
	want := v.fill(bufs, off)
	err := f.conn.Control(v.call)
	got := v.got
	clear(v.list[:v.n])
	vectors.Put(v)
	if err == nil && got == want {
		return nil
	}
	return ReadEach(f, bufs, off) // which knows what is wrong
}

func (f *osFile) Cached(off, n int64) int64 {
	v := vectors.Get().(*vector)
	defer vectors.Put(v)
	v.got = -1
	v.within = unix.CachestatRange{Off: uint64(off), Len: uint64(n)}
	if err := f.conn.Control(v.look); err != nil || v.got < 0 {
		return -1
	}
	return int64(v.cache.Cache) * int64(os.Getpagesize())
}

// stat needs Linux 6.5.
func (v *vector) stat(fd uintptr) {
	if unix.Cachestat(uint(fd), &v.within, &v.cache, 0) == nil {
		v.got = 0
	}
}

func (v *vector) fill(bufs [][]byte, off int64) (want int) {
	v.n, v.off, v.got = 0, off, 0
	for _, p := range bufs {
		if len(p) == 0 {
			continue
		}
		v.list[v.n].Base = &p[0]
		v.list[v.n].SetLen(len(p))
		v.n++
		want += len(p)
	}
	return want
}

func (v *vector) read(fd uintptr) {
	n, _, errno := unix.Syscall6(unix.SYS_PREADV, fd, uintptr(unsafe.Pointer(&v.list)), uintptr(v.n), uintptr(v.off), 0, 0)
	if errno == 0 {
		v.got = int(n)
	}
}
