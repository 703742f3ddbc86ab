package blocktest_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/block/blocktest"
)

// memory is the plainest device there is: the suite must pass it.
type memory struct {
	mu sync.Mutex
	p  []byte
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if err := block.CheckRange(m.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(p, m.p[off:]), nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if err := block.CheckRange(m.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(m.p[off:], p), nil
}

func (m *memory) Unmap(off, n int64) error {
	if err := block.CheckRange(m.Size(), off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.p[off : off+n])
	return nil
}

func (m *memory) Flush() error { return nil }
func (m *memory) Size() int64  { return int64(len(m.p)) }

func TestMemory(t *testing.T) {
	for _, size := range []int64{block.SectorSize, 4096, 4096 + block.SectorSize, blocktest.OddSize} {
		content := make([]byte, size)
		blocktest.Pattern(content, 0, 77)
		t.Run(fmt.Sprint(size), blocktest.Disk{
			Size: size, Content: content,
			Open:   func(*testing.T, int64) block.Device { return &memory{p: bytes.Clone(content)} },
			Reopen: func(_ *testing.T, d block.Device) block.Device { return d },
		}.Run)
	}
}

type readOnly struct{ memory }

func (r *readOnly) WriteAt([]byte, int64) (int, error) { return 0, block.ErrReadOnly }
func (r *readOnly) Unmap(int64, int64) error           { return block.ErrReadOnly }

func TestReadOnlyMemory(t *testing.T) {
	content := make([]byte, 4096+block.SectorSize)
	blocktest.Pattern(content, 0, 78)
	blocktest.RunReadOnly(t, &readOnly{memory{p: bytes.Clone(content)}}, content)
}
