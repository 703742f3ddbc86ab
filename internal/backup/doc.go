// Package backup writes one state of a disk, or what has changed in it since
// an earlier state, as a stream of bytes to a file or a pipe, and reads it
// back. docs/FORMAT.md describes the stream, so that another program can read
// it.
//
//	header      "BTBACKUP", version, JSON, crc32c
//	record …    offset and length of a run of blocks; the data, or zeros
//	trailer     counts, SHA-256 of all bytes before it
//
// All numbers are little-endian, crc32c is CRC-32 with the Castagnoli
// polynomial. The header:
//
//	 0  8  "BTBACKUP"
//	 8  4  version, 1
//	12  4  length J of the JSON, 2 to 65536
//	16  J  one JSON object, see Header
//	 …  4  crc32c of all bytes before
//
// A record is 24 bytes, and for data the data:
//
//	 0  4  crc32c of bytes 4 to 23 and the data
//	 4  1  type: 1 data, 2 zeros
//	 5  3  zero
//	 8  8  offset in the disk, a multiple of 4096
//	16  8  length: a multiple of 4096, or to the end of the disk; of data at
//	       most 1 MiB
//
// Records are in the order of their offsets and do not overlap. The trailer
// is 64 bytes, and nothing follows it:
//
//	 0  4  crc32c of bytes 4 to 31
//	 4  1  type: 3
//	 5  3  zero
//	 8  8  number of records
//	16  8  bytes of data in them
//	24  8  bytes of zeros in them
//	32 32  SHA-256 of all bytes of the stream before these 32
package backup

import "hash/crc32"

// Version is the stream's version that this package writes and reads.
const Version = 1

const (
	magic      = "BTBACKUP"
	headerFix  = 16
	maxJSON    = 64 << 10
	recordSize = 24
	tailSize   = 64
	hashAt     = 32 // of the trailer

	// BlockSize is the unit of offsets, and of lengths but at the disk's end.
	BlockSize = 4096
	// MaxData is the most data that one record holds, in bytes.
	MaxData = 1 << 20
)

type recordType uint8

const (
	typeData  recordType = 1
	typeZeros recordType = 2
	typeEnd   recordType = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Stats count what a stream holds.
type Stats struct {
	Records int64
	Data    int64 // bytes of disk that came as data
	Zeroed  int64 // bytes of disk that came as zeros
	Stream  int64 // bytes of the whole stream
}
