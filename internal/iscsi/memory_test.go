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
	mu     sync.RWMutex
	data   []byte
	mapped []bool // by 4 KiB block

	gate    chan struct{} // if set, each write takes one value from it first
	sluice  chan struct{} // the same for reads
	slow    atomic.Int64  // nanoseconds of each read
	fail    atomic.Pointer[error]
	busy    atomic.Int32 // writes under way
	reading atomic.Int32 // reads under way
	flushes atomic.Int32
}

func newMemory(size int) *memory {
	return &memory{data: make([]byte, size), mapped: make([]bool, (size+4095)/4096)}
}

func (m *memory) Size() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.data))
}

func (m *memory) grow(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = append(m.data, make([]byte, size-len(m.data))...)
	m.mapped = append(m.mapped, make([]bool, len(m.data)/4096-len(m.mapped))...)
}

func (m *memory) check(off, n int64) error {
	if err := m.fail.Load(); err != nil {
		return *err
	}
	return block.CheckRange(m.Size(), off, n)
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.reading.Add(1)
	defer m.reading.Add(-1)
	if m.sluice != nil {
		<-m.sluice
	}
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
	for b := off / 4096; b*4096 < off+int64(len(p)); b++ {
		m.mapped[b] = true
	}
	return copy(m.data[off:], p), nil
}

// Mapped tells what was written and not unmapped since.
func (m *memory) Mapped(off, n int64) (bool, int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mapped[off/4096], min(n, 4096-off%4096)
}

func (m *memory) Unmap(off, n int64) error {
	if err := m.check(off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.data[off : off+n])
	for b := (off + 4095) / 4096; (b+1)*4096 <= off+n; b++ {
		m.mapped[b] = false
	}
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
