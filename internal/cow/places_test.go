package cow_test

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The sectors that the proof watches, in three places: the disk's start, the
// border of two map pages, and the border of the next two, where the disk of
// odd size ends. All that a history writes, it writes here.
var places = []struct{ first, n int64 }{
	{0, 24}, {64<<20/512 - 16, 24}, {128<<20/512 - 8, 16},
}

// Sizes of disks: one ends within a block, one within the second place.
const (
	oddSize   = 128<<20 + 3*512
	smallSize = 64<<20 + 4096
	bigSize   = 192 << 20
)

// watched lists the sectors; a content is by index into it.
var watched = func() (list []int64) {
	for _, p := range places {
		for s := p.first; s < p.first+p.n; s++ {
			list = append(list, s)
		}
	}
	return list
}()

// stamps are the content of a disk: one for each watched sector, 0 for zeros.
type stamps []uint32

// stampSector fills a sector so that it says who wrote it, and where.
func stampSector(p []byte, sector int64, stamp uint32) {
	if stamp == 0 {
		clear(p[:512])
		return
	}
	w := uint64(stamp)<<32 | uint64(uint32(sector)*2654435761)
	for i := 0; i < 512; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], w)
	}
}

// stampOf returns the stamp of a sector, or why it has none.
func stampOf(p []byte, sector int64) (uint32, error) {
	w := binary.LittleEndian.Uint64(p)
	for i := 8; i < 512; i += 8 {
		if binary.LittleEndian.Uint64(p[i:]) != w {
			return 0, fmt.Errorf("sector %d is torn", sector)
		}
	}
	if w != 0 && uint32(w) != uint32(sector)*2654435761 {
		return 0, fmt.Errorf("sector %d holds another's content", sector)
	}
	return uint32(w >> 32), nil
}

// readContent reads the watched sectors of a disk.
func readContent(d io.ReaderAt, size int64) (stamps, error) {
	res := make(stamps, 0, len(watched))
	for _, pl := range places {
		n := max(0, min(pl.n, size/512-pl.first))
		p := make([]byte, n*512)
		if _, err := d.ReadAt(p, pl.first*512); n > 0 && err != nil {
			return nil, fmt.Errorf("read sector %d: %w", pl.first, err)
		}
		for i := range pl.n {
			stamp := uint32(0)
			if i < n {
				var err error
				if stamp, err = stampOf(p[i*512:], pl.first+i); err != nil {
					return nil, err
				}
			}
			res = append(res, stamp)
		}
	}
	return res, nil
}

// cutTo is the content of a disk that is made smaller, or has another's
// content up to a size.
func (c stamps) cutTo(size int64) stamps {
	res := make(stamps, len(c))
	for i, s := range watched {
		if s < size/512 {
			res[i] = c[i]
		}
	}
	return res
}

// differs returns the first difference.
func (c stamps) differs(other stamps) error {
	for i := range c {
		if c[i] != other[i] {
			return fmt.Errorf("sector %d holds %d, want %d", watched[i], c[i], other[i])
		}
	}
	return nil
}
