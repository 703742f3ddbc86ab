package iscsi

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"bootes.dev/internal/block"
)

// memory is a disk in memory whose calls tests can hold up or make fail.
type memory struct {
	mu   sync.RWMutex
	data []byte

	gate    chan struct{} // if set, each write takes one value from it first
	slow    atomic.Int64  // nanoseconds of each read
	fail    atomic.Pointer[error]
	busy    atomic.Int32 // writes under way
	flushes atomic.Int32
}

func newMemory(size int) *memory { return &memory{data: make([]byte, size)} }

func (m *memory) Size() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.data))
}

func (m *memory) grow(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = append(m.data, make([]byte, size-len(m.data))...)
}

func (m *memory) check(off, n int64) error {
	if err := m.fail.Load(); err != nil {
		return *err
	}
	return block.CheckRange(m.Size(), off, n)
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if err := m.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(m.slow.Load()))
	m.mu.RLock()
	defer m.mu.RUnlock()
	return copy(p, m.data[off:]), nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.busy.Add(1)
	defer m.busy.Add(-1)
	if m.gate != nil {
		<-m.gate
	}
	if err := m.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(m.data[off:], p), nil
}

func (m *memory) Unmap(off, n int64) error {
	if err := m.check(off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.data[off : off+n])
	return nil
}

func (m *memory) Flush() error {
	m.flushes.Add(1)
	return m.check(0, 0)
}

// bytes is a copy of what the disk holds.
func (m *memory) bytes(from, to int) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return append([]byte(nil), m.data[from:to]...)
}

func (m *memory) set(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.data, p)
}

// aligned tells whether p begins on a 4 KiB boundary.
func aligned(p []byte) bool { return uintptr(unsafe.Pointer(&p[0]))%4096 == 0 }
