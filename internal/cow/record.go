package cow

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"bootes.dev/internal/block"
	"github.com/google/uuid"
)

// A journal record is 32 bytes, little-endian:
//
//	 0  crc32c of the 16 bytes of the overlay's ID and of bytes 4 to 31
//	 4  type
//	 5  state (of type set)
//	 6  of type data: number of sectors, 2 bytes
//	 8  epoch, 4 bytes: the opening of the volume that wrote it
//	12  count of blocks, 4 bytes; of type data: crc32c of the data
//	16  sequence number, 8 bytes
//	24  first block; of data: first sector; of a commit or a carry: the last
//	    sequence number it covers
//
// Behind a record of type data follow the sectors themselves.
type record struct {
	Type    recordType
	State   state
	Sectors uint16
	Epoch   uint32
	Count   uint32
	Seq     uint64
	Arg     uint64
}

type recordType uint8

const (
	recSet    recordType = 1 // unstable: Count blocks from Arg on are now State
	recCommit recordType = 2 // every set up to sequence number Arg is durable, and so is all data
	recVoid   recordType = 3 // a sync failed: sets not yet committed never were; the last of its epoch
	recData   recordType = 4 // Sectors from sector Arg on, for the carry that follows
	recCarry  recordType = 5 // as a commit, but the data before it is perhaps here alone
)

const (
	recordSize = 32
	// sectorSize: a record of type commit, carry or void is the last of its sector,
	// so that no later append rewrites a sector that a sync has confirmed.
	sectorSize = block.SectorSize
	maxCount   = 1<<32 - 1

	blockSectors = BlockSize / sectorSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logSeed is the sum of an overlay's ID, from which those of its records go
// on. A guest's data may hold anything, also records of a journal of its own,
// and replay may come upon such data where the newest records end.
func logSeed(id string) uint32 {
	u := uuid.MustParse(id)
	return crc32.Checksum(u[:], castagnoli)
}

// appendTo appends the 32 bytes of r.
func (r record) appendTo(b []byte, seed uint32) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, byte(r.Type), byte(r.State))
	b = binary.LittleEndian.AppendUint16(b, r.Sectors)
	b = binary.LittleEndian.AppendUint32(b, r.Epoch)
	b = binary.LittleEndian.AppendUint32(b, r.Count)
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, r.Arg)
	binary.LittleEndian.PutUint32(b[at:], crc32.Update(seed, castagnoli, b[at+4:]))
	return b
}

// decodeRecord reports false if b does not start with a whole record whose
// sum is right: at the end of a journal that is what is found.
func decodeRecord(b []byte, seed uint32) (r record, ok bool) {
	if len(b) < recordSize || binary.LittleEndian.Uint32(b) != crc32.Update(seed, castagnoli, b[4:recordSize]) {
		return r, false
	}
	return record{
		Type: recordType(b[4]), State: state(b[5]),
		Sectors: binary.LittleEndian.Uint16(b[6:]),
		Epoch:   binary.LittleEndian.Uint32(b[8:]),
		Count:   binary.LittleEndian.Uint32(b[12:]),
		Seq:     binary.LittleEndian.Uint64(b[16:]),
		Arg:     binary.LittleEndian.Uint64(b[24:]),
	}, true
}

// check returns block.ErrCorrupt for a record that is whole but says what
// cannot be: written by a fault of ours or by a newer version.
func (r record) check(blocks int64) error {
	var ok bool
	switch r.Type {
	case recSet:
		ok = (r.State == here || r.State == zero) && r.Count > 0 &&
			r.Arg < uint64(blocks) && uint64(r.Count) <= uint64(blocks)-r.Arg
	case recCommit, recCarry:
		ok = r.Arg < r.Seq
	case recData:
		ok = r.Sectors > 0 && r.Arg < uint64(blocks)*blockSectors && uint64(r.Sectors) <= uint64(blocks)*blockSectors-r.Arg
	case recVoid:
		ok = true
	}
	if !ok {
		return fmt.Errorf("journal record %d of type %d: %w", r.Seq, r.Type, block.ErrCorrupt)
	}
	return nil
}

// step is how far from pos the next record is.
func (r record) step(pos int64) int64 {
	switch r.Type {
	case recSet:
		return recordSize
	case recData:
		return recordSize + int64(r.Sectors)*sectorSize
	}
	return sectorSize - pos%sectorSize
}
