package scsi

import "bootes.dev/internal/block"

// readOnlyBytes is a device of fixed content.
type readOnlyBytes []byte

// ReadOnlyBytes returns a read-only device whose content is data, padded with
// zeros to whole 4 KiB blocks. It does not copy data.
func ReadOnlyBytes(data []byte) block.Device { return readOnlyBytes(data) }

func (b readOnlyBytes) Size() int64 { return max((int64(len(b))+4095)&^4095, 4096) }

func (b readOnlyBytes) ReadAt(p []byte, off int64) (int, error) {
	if err := block.CheckRange(b.Size(), off, int64(len(p))); err != nil {
		return 0, err
	}
	n := 0
	if off < int64(len(b)) {
		n = copy(p, b[off:])
	}
	clear(p[n:])
	return len(p), nil
}

func (b readOnlyBytes) WriteAt([]byte, int64) (int, error) { return 0, block.ErrReadOnly }

func (b readOnlyBytes) Unmap(int64, int64) error { return block.ErrReadOnly }

func (b readOnlyBytes) Flush() error { return nil }
