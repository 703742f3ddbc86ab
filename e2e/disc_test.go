//go:build e2e

package e2e

import "encoding/binary"

const discSector = 2048

// Sectors of the disc that isoImage makes.
const (
	volumeAt = 16 + iota
	endAt
	pathsAt // little-endian, and then big-endian
	_
	rootAt
	folderAt
	contentAt
)

// isoImage is the content of a disc (ISO 9660, ECMA-119) with one file in one
// folder. The names are in upper case; Linux shows them in lower case.
func isoImage(label, folder, name string, content []byte) []byte {
	sectors := contentAt + (len(content)+discSector-1)/discSector
	b := make([]byte, sectors*discSector)
	at := func(sector int) []byte { return b[sector*discSector:] }

	v := at(volumeAt)
	copy(v, "\x01CD001\x01")
	text(v[8:72], "")
	copy(v[40:], label)
	both32(v[80:], sectors)
	both16(v[120:], 1)
	both16(v[124:], 1)
	both16(v[128:], discSector)
	little, big := paths(binary.LittleEndian, folder), paths(binary.BigEndian, folder)
	both32(v[132:], len(little))
	binary.LittleEndian.PutUint32(v[140:], pathsAt)
	binary.BigEndian.PutUint32(v[148:], pathsAt+1)
	copy(v[156:], entry("\x00", rootAt, discSector, true))
	text(v[190:813], "")
	v[881] = 1
	copy(at(endAt), "\xffCD001\x01")
	copy(at(pathsAt), little)
	copy(at(pathsAt+1), big)

	root := append(entry("\x00", rootAt, discSector, true), entry("\x01", rootAt, discSector, true)...)
	copy(at(rootAt), append(root, entry(folder, folderAt, discSector, true)...))
	sub := append(entry("\x00", folderAt, discSector, true), entry("\x01", rootAt, discSector, true)...)
	copy(at(folderAt), append(sub, entry(name+".;1", contentAt, len(content), false)...))
	copy(at(contentAt), content)
	return b
}

// text fills b with s and spaces.
func text(b []byte, s string) {
	for i := range b {
		b[i] = ' '
	}
	copy(b, s)
}

// Numbers are there twice, in both byte orders.
func both16(b []byte, n int) {
	binary.LittleEndian.PutUint16(b, uint16(n))
	binary.BigEndian.PutUint16(b[2:], uint16(n))
}

func both32(b []byte, n int) {
	binary.LittleEndian.PutUint32(b, uint32(n))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
}

// entry is a directory record (ECMA-119, 9.1).
func entry(name string, sector, size int, folder bool) []byte {
	b := make([]byte, (33+len(name)+1)&^1)
	b[0] = byte(len(b))
	both32(b[2:], sector)
	both32(b[10:], size)
	copy(b[18:], []byte{126, 1, 2, 3, 4, 5, 0}) // 2026-01-02 03:04:05 UTC
	if folder {
		b[25] = 2
	}
	both16(b[28:], 1)
	b[32] = byte(len(name))
	copy(b[33:], name)
	return b
}

// paths is the path table of the root and one folder (ECMA-119, 9.4).
func paths(order binary.AppendByteOrder, folder string) []byte {
	var b []byte
	for _, d := range []struct {
		name   string
		sector uint32
	}{{"\x00", rootAt}, {folder, folderAt}} {
		b = append(b, byte(len(d.name)), 0)
		b = order.AppendUint32(b, d.sector)
		b = order.AppendUint16(b, 1)
		b = append(b, d.name...)
		if len(d.name)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}
