package diskcheck

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// lz4Block is what a block of the legacy frame holds at most (lz4_Frame_format.md).
const lz4Block = 8 << 20

// lz4Frame reads the legacy frame of LZ4, which is what the kernel takes: its magic,
// then blocks, each behind its size in four bytes. Nothing ends it but the end of the
// file, zeros, or what is no size of a block: then another archive follows.
type lz4Frame struct {
	r        *bufio.Reader
	src, dst []byte
	left     []byte // of dst
}

func newLZ4Frame(r *bufio.Reader) *lz4Frame {
	return &lz4Frame{r: r, dst: make([]byte, lz4Block)}
}

// Read reads on, to the frame's end.
func (f *lz4Frame) Read(p []byte) (int, error) {
	for len(f.left) == 0 {
		if err := f.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

func (f *lz4Frame) block() error {
	h, err := f.r.Peek(4)
	if errors.Is(err, io.EOF) && len(h) > 0 {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	size := int(binary.LittleEndian.Uint32(h))
	if string(h) == string(magicLZ4) { // another frame
		_, err := f.r.Discard(4)
		return err
	}
	if size == 0 || size > lz4.CompressBlockBound(lz4Block) {
		return io.EOF
	}
	if cap(f.src) < size {
		f.src = make([]byte, size)
	}
	f.src = f.src[:size]
	if _, err := f.r.Discard(4); err != nil {
		return err
	}
	if _, err := io.ReadFull(f.r, f.src); err != nil {
		return early(err)
	}
	n, err := lz4.UncompressBlock(f.src, f.dst)
	if err != nil {
		return fmt.Errorf("unpack by lz4: %w", err)
	}
	f.left = f.dst[:n]
	return nil
}
