package diskcheck

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// The parts of a kernel's PE header that a signature for Secure Boot changes.
const (
	peHeader    = 0x3c    // 4 bytes: where it begins
	peChecksum  = 24 + 64 // 4 bytes
	peMagic     = 24      // 2 bytes
	pePlus      = 0x20b   // of 64 bits
	peDirectory = 32      // 8 bytes, the fifth entry of the table behind these
	peTable32   = 24 + 96
	peTable64   = 24 + 112
)

// summed reports whether a kernel of that version ends with a sum of itself: Linux
// has it from protocol 2.08 on, and dropped it in 2025.
func (z bzImage) summed() bool {
	var major, minor int
	if n, _ := fmt.Sscanf(z.version, "%d.%d", &major, &minor); n < 2 {
		return false
	}
	return z.protocol >= 0x208 && (major < 6 || major == 6 && minor < 14)
}

// sumRight compares a kernel with its sum: head, which was read, and the rest. The sum
// of the whole is always the same, since its own is part of it
// (Documentation/arch/x86/boot.rst, the CRC-32 of the image).
func (z bzImage) sumRight(head []byte, rest io.Reader) (right bool, err error) {
	head = unsigned(head[:min(int64(len(head)), z.size)])
	sum := crc32.NewIEEE()
	sum.Write(head)
	if _, err := io.CopyN(sum, rest, z.size-int64(len(head))); err != nil {
		return false, err
	}
	return sum.Sum32() == 0xffffffff, nil
}

// unsigned is the beginning of a kernel as it was before it was signed.
func unsigned(head []byte) []byte {
	head = append([]byte(nil), head...)
	pe := int64(binary.LittleEndian.Uint32(head[peHeader:]))
	if string(head[:2]) != "MZ" || pe+peTable64+peDirectory+8 > int64(len(head)) || string(head[pe:pe+4]) != "PE\x00\x00" {
		return head
	}
	table := pe + peTable32
	if binary.LittleEndian.Uint16(head[pe+peMagic:]) == pePlus {
		table = pe + peTable64
	}
	clear(head[pe+peChecksum:][:4])
	clear(head[table+peDirectory:][:8])
	return head
}
