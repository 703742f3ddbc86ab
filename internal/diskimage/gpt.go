package diskimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"bootes.dev/internal/block"
)

// A GPT's header (UEFI 2.10, 5.3.2), in sector 1 and in the disk's last one:
//
//	 0  8  "EFI PART"
//	12  4  size of the header, of which the checksum is made
//	16  4  CRC-32 of the header, these four bytes taken as zero
//	24  8  this sector's number
//	72  8  first sector of the entries
//	80  4  number of entries
//	84  4  size of an entry, at least 128
//	88  4  CRC-32 of all entries
const (
	gptHeaderMin = 92
	gptEntryMin  = 128
	gptEntryMax  = 4096
	// gptMaxBytes of entries are read. Everybody's tables have 16 KiB.
	gptMaxBytes = 1 << 20
)

// gpt reads the first copy of the table that is in order.
func (t *table) gpt() ([]Partition, error) {
	first := t.gptCopy(1)
	if first == nil {
		return t.found, nil
	}
	if second := t.gptCopy(t.sectors - 1); second != nil {
		return nil, fmt.Errorf("the GPT is damaged: %w; and so is its copy: %w", first, second)
	}
	return t.found, nil
}

func (t *table) gptCopy(at uint64) error {
	var h [block.SectorSize]byte
	if err := t.sector(h[:], at); err != nil {
		return err
	}
	if string(h[:8]) != "EFI PART" {
		return errors.New("no header")
	}
	size := binary.LittleEndian.Uint32(h[12:])
	if size < gptHeaderMin || size > uint32(len(h)) {
		return fmt.Errorf("a header of %d bytes", size)
	}
	sum := binary.LittleEndian.Uint32(h[16:])
	clear(h[16:20])
	if crc32.ChecksumIEEE(h[:size]) != sum {
		return errors.New("wrong checksum of the header")
	}
	if my := binary.LittleEndian.Uint64(h[24:]); my != at {
		return fmt.Errorf("the header in sector %d says that it is in %d", at, my)
	}
	entries, err := t.gptEntries(h[:])
	if err != nil {
		return err
	}
	entrySize := int(binary.LittleEndian.Uint32(h[84:]))
	for number := 1; len(entries) >= entrySize; number++ {
		t.gptEntry(number, entries)
		entries = entries[entrySize:]
	}
	return nil
}

// gptEntries reads the bytes of the entries that header h tells of.
func (t *table) gptEntries(h []byte) ([]byte, error) {
	at := binary.LittleEndian.Uint64(h[72:])
	count, size := uint64(binary.LittleEndian.Uint32(h[80:])), uint64(binary.LittleEndian.Uint32(h[84:]))
	if size < gptEntryMin || size > gptEntryMax || count*size > gptMaxBytes {
		return nil, fmt.Errorf("%d entries of %d bytes", count, size)
	}
	sectors := (count*size + block.SectorSize - 1) / block.SectorSize
	if at >= t.sectors || sectors > t.sectors-at {
		return nil, fmt.Errorf("entries in sector %d of %d", at, t.sectors)
	}
	b := make([]byte, sectors*block.SectorSize)
	if err := t.sector(b, at); err != nil {
		return nil, err
	}
	b = b[:count*size]
	if crc32.ChecksumIEEE(b) != binary.LittleEndian.Uint32(h[88:]) {
		return nil, errors.New("wrong checksum of the entries")
	}
	return b, nil
}

// gptEntry takes an entry: type at 0, its own GUID at 16, first and last sector at
// 32 and 40, name at 56 in 36 units of UTF-16.
func (t *table) gptEntry(number int, e []byte) {
	kind := guid(e[:16])
	start, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
	if kind == guid(make([]byte, 16)) || last < start {
		return
	}
	var units []uint16
	for n := e[56:128]; len(n) > 0 && (n[0] != 0 || n[1] != 0); n = n[2:] {
		units = append(units, binary.LittleEndian.Uint16(n))
	}
	t.add(Partition{Number: number, Name: printable(string(utf16.Decode(units))), Type: gptType(kind), PartUUID: strings.ToLower(guid(e[16:32]))}, start, addSat(last-start, 1))
}

// guid is the usual form of 16 bytes, of which the first three fields are
// little-endian.
func guid(b []byte) string {
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}
