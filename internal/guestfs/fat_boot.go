package guestfs

import (
	"encoding/binary"
	"fmt"
)

// A FAT's boot sector (Microsoft, FAT File System Specification, August 2005),
// little-endian.
const (
	fatSectorSize  = 11 // 2 bytes
	fatPerCluster  = 13 // 1, sectors
	fatReserved    = 14 // 2, sectors
	fatCopies      = 16 // 1
	fatRootEntries = 17 // 2
	fatSectors16   = 19 // 2
	fatMedia       = 21 // 1
	fatLength16    = 22 // 2, sectors of a FAT
	fatSectors32   = 32 // 4
	fatState16     = 37 // 1
	fatLength32    = 36 // 4
	fatFlags32     = 40 // 2; bit 7: only the FAT in bits 0 to 3 is kept
	fatRoot32      = 44 // 4, cluster
	fatState32     = 65 // 1
	fatDirty       = 1  // of a state

	// maxClusters12 and maxClusters16 are the most of a FAT with such entries.
	maxClusters12 = 4084
	maxClusters16 = 65524
	maxClusters32 = 0x0ffffff5
)

// fatFS is a FAT file system.
type fatFS struct {
	p        piece
	bits     int    // of an entry: 12, 16 or 32
	fat      uint64 // where the FAT in use begins, in bytes
	rootAt   uint64 // where the root folder begins, if it has a place of its own
	rootLen  uint64
	root32   uint32 // otherwise its first cluster
	data     uint64 // where cluster 2 begins
	cluster  uint64 // bytes of a cluster
	clusters uint32 // the highest number of one
	dirty    bool
	window   fatWindow
}

// openFAT recognises a FAT; errNone.
func openFAT(p piece) (fileSystem, error) {
	var b [512]byte
	if p.size < int64(len(b)) {
		return nil, errNone
	}
	if err := p.read(b[:], 0); err != nil {
		return nil, err
	}
	if !looksFAT(b[:]) {
		return nil, errNone
	}
	f := &fatFS{p: p}
	if err := f.parse(b[:]); err != nil {
		return nil, fmt.Errorf("its FAT boot sector: %w", err)
	}
	return f, nil
}

// looksFAT tells a FAT from other boot sectors by what must hold in one. There
// is no magic number.
func looksFAT(b []byte) bool {
	sector, media := binary.LittleEndian.Uint16(b[fatSectorSize:]), b[fatMedia]
	return b[510] == 0x55 && b[511] == 0xaa && (b[0] == 0xeb || b[0] == 0xe9) &&
		sector >= 512 && sector <= 4096 && powerOf2(uint64(sector)) && powerOf2(uint64(b[fatPerCluster])) &&
		binary.LittleEndian.Uint16(b[fatReserved:]) > 0 && b[fatCopies] > 0 && b[fatCopies] <= 8 &&
		(media == 0xf0 || media >= 0xf8)
}

func (f *fatFS) parse(b []byte) error {
	u16 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	sector, total, length := u16(fatSectorSize), u16(fatSectors16), u16(fatLength16)
	if total == 0 {
		total = u32(fatSectors32)
	}
	wide := length == 0
	if wide {
		length = u32(fatLength32)
	}
	f.cluster = sector * uint64(b[fatPerCluster])
	f.fat = u16(fatReserved) * sector
	f.rootAt = f.fat + uint64(b[fatCopies])*length*sector
	f.rootLen = u16(fatRootEntries) * direntFAT
	f.data = (f.rootAt + f.rootLen + sector - 1) / sector * sector
	if f.cluster > maxBlock || length == 0 || f.data >= total*sector {
		return corrupt("clusters of %d bytes from byte %d of %d", f.cluster, f.data, total*sector)
	}
	clusters := (total*sector - f.data) / f.cluster
	f.bits, f.dirty = 16, b[fatState16]&fatDirty != 0
	switch {
	case wide:
		f.bits, f.dirty = 32, b[fatState32]&fatDirty != 0
		f.root32 = uint32(u32(fatRoot32))
		if flags := u16(fatFlags32); flags&0x80 != 0 && flags&0xf < uint64(b[fatCopies]) {
			f.fat += flags & 0xf * length * sector
		}
	case clusters <= maxClusters12:
		f.bits = 12
	}
	most := map[int]uint64{12: maxClusters12, 16: maxClusters16, 32: maxClusters32}[f.bits]
	entries := length * sector * 8 / uint64(f.bits)
	if clusters > most || clusters == 0 || entries < 3 {
		return corrupt("%d clusters in a FAT with %d bits for each", clusters, f.bits)
	}
	f.clusters = uint32(min(clusters+1, entries-1))
	return nil
}

func (f *fatFS) system() string { return fmt.Sprintf("fat%d", f.bits) }

func (f *fatFS) unclean() bool { return f.dirty }

func (f *fatFS) root() (node, error) { return &fatNode{f: f, isRoot: true, first: f.root32}, nil }

// fatWindow is the piece of the FAT that was read last.
type fatWindow struct {
	at   uint64
	data []byte
}

const windowSize = 4096

// byteAt is one byte of the FAT in use.
func (f *fatFS) byteAt(at uint64) (byte, error) {
	w := &f.window
	if start := at - at%windowSize; w.data == nil || w.at != start {
		end := min(start+windowSize, uint64(f.p.size)-min(f.fat, uint64(f.p.size)))
		if at >= end {
			return 0, corrupt("its FAT ends at byte %d", end)
		}
		b := make([]byte, end-start)
		if err := f.p.read(b, f.fat+start); err != nil {
			return 0, err
		}
		w.at, w.data = start, b
	}
	return w.data[at-w.at], nil
}

// after is the cluster that follows n in its chain; 0 at its end.
func (f *fatFS) after(n uint32) (uint32, error) {
	var v uint32
	for i := range uint64(f.bits+7) / 8 {
		c, err := f.byteAt(uint64(n)*uint64(f.bits)/8 + i)
		if err != nil {
			return 0, err
		}
		v |= uint32(c) << (8 * i)
	}
	end := uint32(1)<<min(f.bits, 28) - 8
	switch {
	case f.bits == 12 && n%2 == 1:
		v >>= 4
	case f.bits == 12:
		v &= 0xfff
	case f.bits == 32:
		v &= 0x0fffffff
	}
	if v >= end {
		return 0, nil
	}
	if v < 2 || v > f.clusters {
		return 0, corrupt("cluster %d is followed by %d of %d", n, v, f.clusters)
	}
	return v, nil
}
