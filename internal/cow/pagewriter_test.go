package cow

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// writesTo notes where a file is written to, in places of a map page.
type writesTo struct {
	vfs.File
	at, n []int64
	err   error
}

func (w *writesTo) WriteAt(p []byte, off int64) (int, error) {
	w.at, w.n = append(w.at, off/pageBytes), append(w.n, int64(len(p)/pageBytes))
	return len(p), w.err
}

// TestPageWriter: pages go where the directory before does not name them, and
// neighbours go there at once. Places are 0 (page 0, A), 1 (page 0, B), and so
// on, behind two directories.
func TestPageWriter(t *testing.T) {
	const blocks, before = 4 * pageBlocks, 2 // two directories of one page each
	for _, c := range []struct {
		name  string
		kinds [4]uint8 // of the pages before
		pages []int64  // to write
		want  [4]uint8
		at, n []int64
	}{
		{"a new map", [4]uint8{}, []int64{0, 1, 2, 3}, [4]uint8{kindB, kindA, kindB, kindA}, []int64{1, 5}, []int64{2, 2}},
		{
			"all of it again", [4]uint8{kindB, kindA, kindB, kindA}, []int64{0, 1, 2, 3},
			[4]uint8{kindA, kindB, kindA, kindB}, []int64{0, 3, 7}, []int64{1, 2, 1},
		},
		{"one page", [4]uint8{kindHere, kindA, kindZero, 0}, []int64{2}, [4]uint8{kindHere, kindA, kindB, 0}, []int64{5}, []int64{1}},
		{"none", [4]uint8{kindA}, nil, [4]uint8{kindA}, nil, nil},
	} {
		f := &writesTo{}
		w := pageWriter{file: f, blocks: blocks}
		for _, i := range c.pages {
			e, err := w.write(i, new([pageBytes]byte), entry{Kind: c.kinds[i]})
			if err != nil {
				t.Fatal(err)
			}
			c.kinds[i] = e.Kind
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		for i := range f.at {
			f.at[i] -= before
		}
		if c.kinds != c.want || !slices.Equal(f.at, c.at) || !slices.Equal(f.n, c.n) {
			t.Errorf("%s: kinds %v, %v pages at %v; want %v, %v at %v", c.name, c.kinds, f.n, f.at, c.want, c.n, c.at)
		}
	}
	w := pageWriter{file: &writesTo{err: block.ErrNoSpace}, blocks: blocks}
	_, err := w.write(1, new([pageBytes]byte), entry{Kind: kindB})
	if err = errors.Join(err, w.flush()); !errors.Is(err, block.ErrNoSpace) || !strings.Contains(err.Error(), "write map pages at 16384: ") {
		t.Errorf("%v", err)
	}
}
