package store

import (
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
// that of the value, or 0 if the key is removed. A length of 0 ends a file.
const recordHead = 8

var (
	crcTable   = crc32.MakeTable(crc32.Castagnoli)
	errEnd     = errors.New("no more records")
	errDamaged = errors.New("a record does not add up")
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

// readRecord reads the first record of b and returns what follows it. errEnd:
// there is none; errDamaged: it is not what was written.
func readRecord(b []byte) (changes []change, rest []byte, err error) {
	if len(b) < recordHead {
		return nil, nil, endIfZero(b)
	}
	length, sum := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if length == 0 {
		return nil, nil, endIfZero(b[:recordHead])
	}
	if uint64(length) > uint64(len(b)-recordHead) {
		return nil, nil, errDamaged
	}
	body := b[recordHead : recordHead+length]
	if crc32.Checksum(body, crcTable) != sum {
		return nil, nil, errDamaged
	}
	for len(body) > 0 {
		var c change
		if c, body, err = readChange(body); err != nil {
			return nil, nil, err
		}
		changes = append(changes, c)
	}
	return changes, b[recordHead+length:], nil
}

func endIfZero(b []byte) error {
	for _, x := range b {
		if x != 0 {
			return errDamaged
		}
	}
	return errEnd
}

func readChange(b []byte) (c change, rest []byte, err error) {
	key, b, ok := cut(b, 0)
	if !ok || len(key) == 0 {
		return c, nil, errDamaged
	}
	c.key = string(key)
	if len(b) > 0 && b[0] == 0 {
		return c, b[1:], nil
	}
	value, b, ok := cut(b, 1)
	if !ok {
		return c, nil, errDamaged
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
