package diskcheck

import (
	"bufio"
	"encoding/binary"
	"io"
)

// zstdFrame reads one frame of zstd (RFC 8878, 3.1.1), and not a byte behind it,
// where another archive may follow:
//
//	magic (4) · descriptor (1) · window (0, 1) · dictionary (0, 1, 2, 4) · size (0 to 8)
//	blocks: header (3): last, bit 0; type, bits 1 and 2; size · content
//	checksum (0, 4)
type zstdFrame struct {
	r     *bufio.Reader
	left  int64 // of the piece that is being read
	next  func(*zstdFrame) error
	check int64 // bytes of the checksum
	begun bool  // its header is there
}

func newZstdFrame(r *bufio.Reader) *zstdFrame { return &zstdFrame{r: r, next: (*zstdFrame).header} }

// Read reads on, to the frame's end.
func (f *zstdFrame) Read(p []byte) (int, error) {
	for f.left == 0 {
		if f.next == nil {
			return 0, io.EOF
		}
		if err := f.next(f); err != nil {
			return 0, early(err)
		}
	}
	n, err := f.r.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, early(err)
}

func (f *zstdFrame) header() error {
	b, err := f.r.Peek(5)
	if err != nil {
		return err
	}
	f.begun = true
	d := b[4]
	single := d&0x20 != 0
	f.left = 5 + []int64{0, 1, 2, 4}[d&3] + []int64{0, 2, 4, 8}[d>>6]
	if !single || d>>6 == 0 { // a window, or one byte of size in its place
		f.left++
	}
	if d&4 != 0 {
		f.check = 4
	}
	f.next = (*zstdFrame).block
	return nil
}

// zstdRLE is the type of a block of one byte that is repeated.
const zstdRLE = 1

func (f *zstdFrame) block() error {
	b, err := f.r.Peek(3)
	if err != nil {
		return err
	}
	h := binary.LittleEndian.Uint32([]byte{b[0], b[1], b[2], 0})
	f.left = 3 + int64(h>>3)
	if h>>1&3 == zstdRLE {
		f.left = 3 + 1
	}
	if h&1 != 0 {
		f.next = (*zstdFrame).checksum
	}
	return nil
}

func (f *zstdFrame) checksum() error {
	f.left, f.next = f.check, nil
	return nil
}
