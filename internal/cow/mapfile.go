package cow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// A map file is two directories and then two places for each map page:
//
//	directory 0 | directory 1 | page 0 A | page 0 B | page 1 A | page 1 B | …
//
// Checkpoint number g writes the pages that changed, each to the place that
// the checkpoint before does not use, syncs, then writes directory g mod 2 and
// syncs. Whatever is cut off in the middle, the checkpoint before is whole.
const (
	mapMagic   = "BTCOWMAP"
	headerSize = 128
	entrySize  = 8
	maxBlocks  = 1 << 40 // 4 PiB: a bound for what a decoder may allocate
)

// header of a directory, little-endian.
//
//	 0  "BTCOWMAP"
//	 8  version, 4 bytes
//	12  crc32c of the whole directory with these four bytes zero
//	16  generation, 8 bytes
//	24  blocks of the disk, 8 bytes
//	32  sequence number of the last journal record it contains, 8 bytes
//	40  journal offset where replay starts, 8 bytes
//	48  journal length, 8 bytes
//	56  epoch, 4 bytes
//	60  zero, 4 bytes
//	64  boot_id of the epoch, 16 bytes
//	80  ID of the layer or overlay, 16 bytes
//	96  blocks that are here, 8 bytes
//	104 zero, 24 bytes
type header struct {
	Gen, Blocks, Seq, Start, LogSize uint64
	Epoch                            uint32
	Boot                             bootID
	ID                               uuid.UUID
	Here                             uint64
}

// entry is one page's line of a directory, 8 bytes: kind, three zero bytes,
// crc32c of the page (zero for uniform pages).
type entry struct {
	Kind uint8
	CRC  uint32
}

const (
	kindBelow = uint8(below) // uniform pages are not stored
	kindHere  = uint8(here)
	kindZero  = uint8(zero)
	kindA     = 3
	kindB     = 4
)

type directory struct {
	header
	entries []entry
}

func dirSize(blocks int64) int64 {
	n := headerSize + entrySize*pagesFor(blocks)
	return (n + pageBytes - 1) / pageBytes * pageBytes
}

// pageOffset of place A (side 0) or B (side 1) of a page.
func pageOffset(blocks, page int64, side uint8) int64 {
	return 2*dirSize(blocks) + (2*page+int64(side))*pageBytes
}

// AppendBinary appends dirSize bytes.
func (d *directory) AppendBinary(b []byte) []byte {
	at, le := len(b), binary.LittleEndian
	b = append(b, make([]byte, dirSize(int64(d.Blocks)))...)
	p := b[at:]
	copy(p, mapMagic)
	le.PutUint32(p[8:], FormatVersion)
	for i, v := range [...]uint64{d.Gen, d.Blocks, d.Seq, d.Start, d.LogSize} {
		le.PutUint64(p[16+8*i:], v)
	}
	le.PutUint32(p[56:], d.Epoch)
	copy(p[64:80], d.Boot[:])
	copy(p[80:96], d.ID[:])
	le.PutUint64(p[96:], d.Here)
	for i, e := range d.entries {
		p[headerSize+entrySize*i] = e.Kind
		le.PutUint32(p[headerSize+entrySize*i+4:], e.CRC)
	}
	le.PutUint32(p[12:], crc32.Checksum(p, castagnoli))
	return b
}

// decodeDirectory checks and decodes a directory of a disk of so many blocks.
func decodeDirectory(p []byte, id uuid.UUID, blocks int64) (*directory, error) {
	bad := func(why string) (*directory, error) {
		return nil, fmt.Errorf("map directory: %s: %w", why, block.ErrCorrupt)
	}
	le := binary.LittleEndian
	if blocks < 0 || blocks > maxBlocks || int64(len(p)) != dirSize(blocks) || string(p[:8]) != mapMagic {
		return bad("no directory of this disk")
	}
	if v := le.Uint32(p[8:]); v != FormatVersion {
		return nil, fmt.Errorf("map is in format %d, and this program knows format %d only: %w", v, FormatVersion, ErrVersion)
	}
	sum := crc32.Update(crc32.Checksum(p[:12], castagnoli), castagnoli, make([]byte, 4))
	if crc32.Update(sum, castagnoli, p[16:]) != le.Uint32(p[12:]) {
		return bad("wrong sum")
	}
	d := &directory{
		header: header{
			Gen: le.Uint64(p[16:]), Blocks: le.Uint64(p[24:]), Seq: le.Uint64(p[32:]),
			Start: le.Uint64(p[40:]), LogSize: le.Uint64(p[48:]),
			Epoch: le.Uint32(p[56:]), Boot: bootID(p[64:80]), ID: uuid.UUID(p[80:96]), Here: le.Uint64(p[96:]),
		},
		entries: make([]entry, pagesFor(blocks)),
	}
	if d.ID != id {
		return bad("it belongs to " + d.ID.String())
	}
	if d.Blocks != uint64(blocks) || d.Here > d.Blocks {
		return bad("it is of another disk")
	}
	if d.LogSize > maxLogSize || d.LogSize%sectorSize != 0 || d.Start%recordSize != 0 || d.Start > d.LogSize {
		return bad("impossible journal")
	}
	for i := range d.entries {
		e := p[headerSize+entrySize*i:]
		if e[0] > kindB {
			return bad("unknown kind of page")
		}
		d.entries[i] = entry{e[0], le.Uint32(e[4:])}
	}
	return d, nil
}

// encode writes the page's bytes to b.
func (p *page) encode(b *[pageBytes]byte) {
	for i := range p {
		binary.LittleEndian.PutUint64(b[8*i:], p[i].Load())
	}
}

// decodePage checks a stored page against its directory entry.
func decodePage(b *[pageBytes]byte, e entry) (*page, error) {
	if crc32.Checksum(b[:], castagnoli) != e.CRC {
		return nil, fmt.Errorf("map page: wrong sum: %w", block.ErrCorrupt)
	}
	p := new(page)
	for i := range p {
		w := binary.LittleEndian.Uint64(b[8*i:])
		if w&(w>>1)&evenBits != 0 {
			return nil, fmt.Errorf("map page: unknown state: %w", block.ErrCorrupt)
		}
		p[i].Store(w)
	}
	return p, nil
}

// readDirectory returns the newest whole directory of a map file.
func readDirectory(f vfs.File, id uuid.UUID, blocks int64) (*directory, error) {
	// What the meta says of the size must be true before memory is taken for it.
	if fi, err := f.Stat(); err != nil || fi.Size < 2*dirSize(blocks) {
		return nil, fmt.Errorf("map has %d bytes, too few: %w", fi.Size, errors.Join(err, block.ErrCorrupt))
	}
	var newest *directory
	var why error
	buf := make([]byte, dirSize(blocks))
	for slot := range int64(2) {
		if n, err := f.ReadAt(buf, slot*dirSize(blocks)); n < len(buf) {
			return nil, fmt.Errorf("read map directory: %w: %w", err, block.ErrCorrupt)
		}
		d, err := decodeDirectory(buf, id, blocks)
		switch {
		case errors.Is(err, ErrVersion): // never fall back behind a newer program
			return nil, err
		case err != nil && why == nil:
			why = err
		case err != nil:
		case newest == nil || d.Gen > newest.Gen:
			newest = d
		}
	}
	if newest == nil {
		return nil, why
	}
	return newest, nil
}

// readPages fills an empty map from the pages that the directory names.
func readPages(f vfs.File, d *directory, m *presence) error {
	var buf [pageBytes]byte
	for i, e := range d.entries {
		if e.Kind < kindA {
			m.pages[i].Store(uniform(state(e.Kind)))
			continue
		}
		if n, err := f.ReadAt(buf[:], pageOffset(m.blocks, int64(i), e.Kind-kindA)); n < len(buf) {
			return fmt.Errorf("read map page %d: %w: %w", i, err, block.ErrCorrupt)
		}
		p, err := decodePage(&buf, e)
		if err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
		m.pages[i].Store(p)
	}
	if n := m.here(0, m.blocks); n != int64(d.Here) {
		return fmt.Errorf("map counts %d blocks and has %d: %w", d.Here, n, block.ErrCorrupt)
	}
	return nil
}

// uniformEntry is for pages that are not stored.
func uniformEntry(p *page) (e entry, ok bool) {
	switch p {
	case nil:
		return entry{Kind: kindBelow}, true
	case allHere:
		return entry{Kind: kindHere}, true
	case allZero:
		return entry{Kind: kindZero}, true
	}
	return entry{}, false
}

// writeDirectory stores d in the slot that its generation gives.
func writeDirectory(f vfs.File, d *directory) error {
	p := d.AppendBinary(nil)
	if _, err := f.WriteAt(p, int64(d.Gen%2)*int64(len(p))); err != nil {
		return fmt.Errorf("write map directory: %w", err)
	}
	return nil
}
