// Package backup writes one state of a disk, or what has changed in it since
// an earlier state, as a stream of bytes to a file or a pipe, and reads it
// back. docs/FORMAT.md describes the stream in its section 10, so that another
// program can read it.
//
//	header     16 bytes and the JSON of a Header, then a crc32c
//	record …   24 bytes: crc32c, type, offset, length; then the data, if any
//	trailer    64 bytes: crc32c, type, counts, SHA-256
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
