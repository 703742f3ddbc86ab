package diskimage

import (
	"encoding/binary"
	"fmt"
	"io"
)

// checkPartitions refuses a disk that is shorter than its partition table
// says: the only trace that a cut copy of a raw image leaves.
//
// The master boot record ends in 55 aa and has four entries of 16 bytes from
// byte 446: type at 4, first sector at 8, number of sectors at 12, both
// little-endian. A GPT's header is sector 1 (UEFI 2.10, 5.3.2): "EFI PART",
// and at byte 32 the number of the sector of its copy, the last of the disk.
func checkPartitions(r io.ReaderAt, size int64) error {
	var head [1024]byte
	if size < int64(len(head)) {
		return nil
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return err
	}
	if need := tableEnd(head[:]); need > uint64(size/512) {
		return fmt.Errorf("it is truncated: its partition table describes a disk of at least %d MiB, and it has %d MiB", need>>11, size>>20)
	}
	return nil
}

const (
	mbrID         = 440 // 4 bytes
	mbrEntries    = 446
	mbrProtective = 0xee
	gptCopy       = 512 + 32
)

// tableEnd is the least number of sectors of the disk whose first two sectors
// are head; 0 without a partition table.
func tableEnd(head []byte) uint64 {
	if head[510] != 0x55 || head[511] != 0xaa {
		return 0
	}
	if string(head[512:520]) == "EFI PART" {
		return addSat(binary.LittleEndian.Uint64(head[gptCopy:]), 1)
	}
	var end uint64
	for e := head[mbrEntries:510]; len(e) >= 16; e = e[16:] {
		// A boot sector of a bare file system has code here: an entry's flag
		// is 00 or 80, anything else is no table.
		if e[0] != 0 && e[0] != 0x80 {
			return 0
		}
		if e[4] != 0 && e[4] != mbrProtective {
			end = max(end, uint64(binary.LittleEndian.Uint32(e[8:]))+uint64(binary.LittleEndian.Uint32(e[12:])))
		}
	}
	return end
}

func addSat(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}
