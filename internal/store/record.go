package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A record of the journal is changes that come true together,
//
//	0        4        8
//	| length | crc32c | changes: length bytes |
//
// in little endian, and of each change
//
//	| uvarint | key | uvarint | value |
//
// where the first number is the length of the key, and the second one more than
// that of the value, or 0 if the key is removed. Zeros follow the last one.
const recordHead = 8

var (
	crcTable    = crc32.MakeTable(crc32.Castagnoli)
	errNoRecord = errors.New("no record, or one that does not add up")
)

func appendRecord(b []byte, changes []change) []byte {
	head := len(b)
	b = append(b, make([]byte, recordHead)...)
	for _, c := range changes {
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
		if c.value == nil {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.value))+1)
		b = append(b, c.value...)
	}
	seal(b[head:])
	return b
}

// seal writes the head of a record.
func seal(record []byte) {
	body := record[recordHead:]
	binary.LittleEndian.PutUint32(record, uint32(len(body)))
	binary.LittleEndian.PutUint32(record[4:], crc32.Checksum(body, crcTable))
}

// readRecord reads the first record of b and returns what follows it. errNoRecord:
// it does not begin with one.
func readRecord(b []byte) (changes []change, rest []byte, err error) {
	body, rest, ok := bodyOf(b)
	if !ok {
		return nil, nil, errNoRecord
	}
	for len(body) > 0 {
		var c change
		if c, body, err = readChange(body); err != nil {
			return nil, nil, err
		}
		changes = append(changes, c)
	}
	return changes, rest, nil
}

// bodyOf is what the first record of b holds, and what follows it.
func bodyOf(b []byte) (body, rest []byte, ok bool) {
	if len(b) <= recordHead {
		return nil, nil, false
	}
	length, sum := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if length == 0 || uint64(length) > uint64(len(b)-recordHead) {
		return nil, nil, false
	}
	end := recordHead + int(length)
	body = b[recordHead:end]
	return body, b[end:], crc32.Checksum(body, crcTable) == sum
}

// anyRecord looks for a record anywhere in b.
func anyRecord(b []byte) bool {
	for ; len(b) > recordHead; b = b[1:] {
		if _, _, ok := bodyOf(b); ok {
			return true
		}
	}
	return false
}

func allZero(b []byte) bool {
	return len(bytes.TrimLeft(b, "\x00")) == 0
}

func readChange(b []byte) (c change, rest []byte, err error) {
	key, b, ok := cut(b, 0)
	if !ok || len(key) == 0 {
		return c, nil, errNoRecord
	}
	c.key = string(key)
	if len(b) > 0 && b[0] == 0 {
		return c, b[1:], nil
	}
	value, b, ok := cut(b, 1)
	if !ok {
		return c, nil, errNoRecord
	}
	c.value = append([]byte{}, value...)
	return c, b, nil
}

// cut reads a number, less so much, and as many bytes.
func cut(b []byte, less uint64) (part, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n < less || n-less > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n-less)
	return b[size:end], b[end:], true
}
