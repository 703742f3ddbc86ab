package diskimage

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode"

	"bootes.dev/internal/block"
)

// Partition is a piece of a disk that its partition table tells of.
type Partition struct {
	Number int    // as the kernel of the machine counts; logical ones from 5
	Name   string // of a GPT; made printable
	Type   string // for people; the code where it has no name here
	Start  int64  // in bytes
	Size   int64  // in bytes; what the table puts beyond the disk is cut off
	// PartUUID is what Linux calls PARTUUID, in small letters: the entry's of a GPT, of
	// an MBR the disk's number and the partition's. "": there is none.
	PartUUID string
}

// Partitions reads the partition table of a disk of size bytes, GPT or MBR
// with logical partitions, in the order of their numbers. A disk without a
// table has none. Entries that lie beyond the disk are left out, and extended
// partitions, because the logical ones are in them.
//
// The table is the guest's: it may lie. go-diskfs was weighed for this and
// left: it allocates what a GPT's header demands, up to 2^64 bytes, loops
// without end on entries of size 0, and knows no logical partitions.
func Partitions(r io.ReaderAt, size int64) ([]Partition, error) {
	if size < 2*block.SectorSize {
		return nil, nil
	}
	t := table{r: r, sectors: uint64(size / block.SectorSize)}
	var mbr [block.SectorSize]byte
	if err := t.sector(mbr[:], 0); err != nil {
		return nil, err
	}
	entries, ok := mbrTable(mbr[:])
	if !ok {
		return nil, nil
	}
	for _, e := range entries {
		if e.kind == mbrProtective {
			return t.gpt()
		}
	}
	t.id = binary.LittleEndian.Uint32(mbr[mbrID:])
	return t.mbr(entries)
}

// table reads a partition table.
type table struct {
	r       io.ReaderAt
	sectors uint64 // of the disk
	id      uint32 // of an MBR; 0: none
	found   []Partition
}

// sector reads whole sectors that the caller knows to lie inside the disk.
func (t *table) sector(p []byte, n uint64) error {
	if got, err := t.r.ReadAt(p, int64(n)*block.SectorSize); got < len(p) {
		return fmt.Errorf("read partition table at sector %d: %w", n, err)
	}
	return nil
}

// add takes a partition of count sectors, unless it lies beyond the disk.
func (t *table) add(p Partition, start, count uint64) {
	if start >= t.sectors || count == 0 {
		return
	}
	p.Start = int64(start) * block.SectorSize
	p.Size = int64(min(count, t.sectors-start)) * block.SectorSize
	if t.id != 0 {
		p.PartUUID = fmt.Sprintf("%08x-%02x", t.id, p.Number)
	}
	t.found = append(t.found, p)
}

// mbrEntry is one of the four entries of a boot sector.
type mbrEntry struct {
	kind         byte
	start, count uint32 // in sectors
}

// mbrTable reads the entries of a master or extended boot record. Where a bare
// file system begins with a boot sector of its own, code or the file system's
// words are found in their place.
func mbrTable(b []byte) (entries [4]mbrEntry, ok bool) {
	if b[510] != 0x55 || b[511] != 0xaa || string(b[3:7]) == "NTFS" || string(b[3:8]) == "EXFAT" ||
		string(b[54:57]) == "FAT" || string(b[82:85]) == "FAT" {
		return entries, false
	}
	for i := range entries {
		e := b[mbrEntries+16*i:]
		if e[0] != 0 && e[0] != 0x80 {
			return entries, false
		}
		entries[i] = mbrEntry{e[4], binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])}
	}
	return entries, true
}

func isExtended(kind byte) bool { return kind == 0x05 || kind == 0x0f || kind == 0x85 }

func (t *table) mbr(entries [4]mbrEntry) ([]Partition, error) {
	for i, e := range entries {
		if e.kind != 0 && !isExtended(e.kind) {
			t.add(Partition{Number: i + 1, Type: mbrType(e.kind)}, uint64(e.start), uint64(e.count))
		}
	}
	number := 5
	for _, e := range entries {
		if isExtended(e.kind) {
			if err := t.logical(uint64(e.start), &number); err != nil {
				return nil, err
			}
		}
	}
	return t.found, nil
}

// maxLogical bounds the chain of extended boot records, which may be a ring.
const maxLogical = 128

// logical follows the chain that begins at sector first: in each record the
// first entries are partitions, from this record on, and one names the next
// record, from the first record on.
func (t *table) logical(first uint64, number *int) error {
	at := first
	for range maxLogical {
		if at == 0 || at >= t.sectors {
			return nil
		}
		var b [block.SectorSize]byte
		if err := t.sector(b[:], at); err != nil {
			return err
		}
		entries, ok := mbrTable(b[:])
		if !ok {
			return nil
		}
		next := uint64(0)
		for _, e := range entries[:2] {
			switch {
			case isExtended(e.kind):
				next = first + uint64(e.start)
			case e.kind != 0 && e.count != 0:
				t.add(Partition{Number: *number, Type: mbrType(e.kind)}, at+uint64(e.start), uint64(e.count))
				*number++
			}
		}
		if next <= first { // none, or back to the first
			return nil
		}
		at = next
	}
	return nil
}

// printable takes from a guest's words what would play tricks on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
