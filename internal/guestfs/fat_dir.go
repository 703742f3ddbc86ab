package guestfs

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// A folder's entry is 32 bytes: the short name (8 and 3 bytes), attributes at
// 11, case at 12, upper half of the first cluster at 20 (of FAT32), time at 22,
// date at 24, lower half of the cluster at 26, size at 28.
//
// A long name comes before it, in entries of its own, the last piece first:
// number of the piece at 0, with 0x40 in the last one, attributes 0x0f at 11, a
// checksum of the short name at 13, and 13 units of UTF-16 at 1, 14 and 28.
const (
	direntFAT     = 32
	maxFATEntries = 65536

	attrReadOnly = 0x01
	attrVolume   = 0x08
	attrDir      = 0x10
	attrLong     = 0x0f
	attrMask     = 0x3f

	caseName = 0x08
	caseExt  = 0x10

	lastPiece  = 0x40
	piecesMost = 20
)

// entries calls fn for each entry but "." and "..", until it returns false.
func (n *fatNode) entries(fn func(long, short string, entry *fatNode) (bool, error)) error {
	var long longName
	count := 0
	more := true
	err := n.blocks(func(b []byte) (bool, error) {
		for ; len(b) >= direntFAT && more; b = b[direntFAT:] {
			e := b[:direntFAT]
			if count++; count > maxFATEntries {
				return false, corrupt("a folder with more than %d entries", maxFATEntries)
			}
			if e[0] == 0 {
				return false, nil
			}
			attr := e[11] & attrMask
			if attr == attrLong && e[0] != 0xe5 {
				long.add(e)
				continue
			}
			name := long.take(e)
			if e[0] == 0xe5 || e[0] == '.' || attr&attrVolume != 0 {
				continue
			}
			short := shortName(e)
			if name == "" {
				name = short
			}
			var err error
			if more, err = fn(name, short, n.f.entry(e)); err != nil {
				return false, err
			}
		}
		return more, nil
	})
	return err
}

// blocks calls fn for each piece of the folder, until it returns false.
func (n *fatNode) blocks(fn func(b []byte) (bool, error)) error {
	if n.isRoot && n.f.bits != 32 {
		b := make([]byte, n.f.rootLen)
		if err := n.f.p.read(b, n.f.rootAt); err != nil {
			return err
		}
		_, err := fn(b)
		return err
	}
	b := make([]byte, n.f.cluster)
	for index := uint32(0); ; index++ {
		cluster, err := n.at(index)
		if err != nil || cluster == 0 {
			return err
		}
		if err := n.f.p.read(b, n.f.data+uint64(cluster-2)*n.f.cluster); err != nil {
			return err
		}
		if more, err := fn(b); err != nil || !more {
			return err
		}
	}
}

func (f *fatFS) entry(e []byte) *fatNode {
	n := &fatNode{
		f: f, isDir: e[11]&attrDir != 0, readOnly: e[11]&attrReadOnly != 0,
		first: uint32(binary.LittleEndian.Uint16(e[26:])), size: binary.LittleEndian.Uint32(e[28:]),
		mtime: fatTime(binary.LittleEndian.Uint16(e[24:]), binary.LittleEndian.Uint16(e[22:])),
	}
	if f.bits == 32 {
		n.first |= uint32(binary.LittleEndian.Uint16(e[20:])) << 16
	}
	return n
}

func fatTime(date, clock uint16) time.Time {
	if date == 0 {
		return time.Time{}
	}
	return time.Date(1980+int(date>>9), time.Month(date>>5&15), int(date&31),
		int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
}

// shortName is a name of up to 8 and 3 bytes in the code page of old PCs.
func shortName(e []byte) string {
	name, ext := [8]byte(e[:8]), [3]byte(e[8:11])
	if name[0] == 0x05 { // stands for 0xe5, which would mark it as deleted
		name[0] = 0xe5
	}
	fold := func(b []byte, lower bool) string {
		text, err := charmap.CodePage437.NewDecoder().Bytes(b)
		s := strings.TrimRight(string(text), " ")
		if err != nil || strings.ContainsAny(s, "/\x00") {
			s = strings.NewReplacer("/", "_", "\x00", "_").Replace(s)
		}
		if lower {
			s = strings.ToLower(s)
		}
		return s
	}
	s := fold(name[:], e[12]&caseName != 0)
	if x := fold(ext[:], e[12]&caseExt != 0); x != "" {
		s += "." + x
	}
	return s
}

// longName collects the pieces of a long name.
type longName struct {
	units [piecesMost * 13]uint16
	have  int // pieces that are still to come; 0: none, or all are here
	n     int // pieces
	sum   byte
	ok    bool
}

func (l *longName) add(e []byte) {
	number := int(e[0] &^ lastPiece)
	switch {
	case e[0]&lastPiece != 0 && number >= 1 && number <= piecesMost:
		l.n, l.sum, l.ok = number, e[13], true
	case !l.ok || number != l.have-1 || number < 1 || e[13] != l.sum:
		l.ok = false
		return
	}
	l.have = number
	at := l.units[13*(number-1):]
	for i, off := range [13]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
		at[i] = binary.LittleEndian.Uint16(e[off:])
	}
}

// take returns the name if it is whole and belongs to the short entry e, and
// begins anew.
func (l *longName) take(e []byte) string {
	var sum byte
	for _, c := range e[:11] {
		sum = sum>>1 + sum<<7 + c
	}
	ok := l.ok && l.have == 1 && sum == l.sum
	l.ok = false
	if !ok {
		return ""
	}
	units := l.units[:13*l.n]
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	name := string(utf16.Decode(units))
	if name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return ""
	}
	return name
}
