package cow

import (
	"fmt"
	"hash/crc32"

	"bootes.dev/internal/cow/vfs"
)

// pageWriter stores pages of a map, two neighbours at once where it can.
type pageWriter struct {
	file   vfs.File
	blocks int64
	off    int64  // of what is held back:
	held   []byte // never more than two neighbours
}

// write stores page i in the place that its entry so far does not use, for
// good when flush has returned, and returns its new entry. Of pages that have
// no place yet every second one begins with place B, next to place A of the
// one behind it: a map whose pages all have changed is half as many pieces.
func (w *pageWriter) write(i int64, p *[pageBytes]byte, old entry) (entry, error) {
	kind := uint8(kindB)
	if old.Kind == kindB || old.Kind < kindA && i%2 == 1 {
		kind = kindA
	}
	off := pageOffset(w.blocks, i, kind-kindA)
	if off != w.off+int64(len(w.held)) {
		if err := w.flush(); err != nil {
			return old, err
		}
		w.off = off
	}
	w.held = append(w.held, p[:]...)
	return entry{kind, crc32.Checksum(p[:], castagnoli)}, nil
}

func (w *pageWriter) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(w.held, w.off); err != nil {
		return fmt.Errorf("write map pages at %d: %w", w.off, err)
	}
	w.held = w.held[:0]
	return nil
}

// writeAllPages stores a map that has no place yet.
func writeAllPages(f vfs.File, own *presence, entries []entry) error {
	w := pageWriter{file: f, blocks: own.blocks}
	var buf [pageBytes]byte
	for i := range own.pages {
		p := own.pages[i].Load()
		if e, uniform := uniformEntry(p); uniform {
			entries[i] = e
			continue
		}
		p.encode(&buf)
		e, err := w.write(int64(i), &buf, entry{})
		if err != nil {
			return err
		}
		entries[i] = e
	}
	return w.flush()
}
