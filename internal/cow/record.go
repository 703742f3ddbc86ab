package cow

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"bootes.dev/internal/block"
)

// A journal record is 32 bytes, little-endian:
//
//	 0  crc32c of bytes 4 to 31
//	 4  type
//	 5  state (of type set)
//	 6  zero, two bytes
//	 8  epoch, 4 bytes: the opening of the volume that wrote it
//	12  count of blocks, 4 bytes
//	16  sequence number, 8 bytes
//	24  first block; for a commit, the last sequence number it covers
type record struct {
	Type  recordType
	State state
	Epoch uint32
	Count uint32
	Seq   uint64
	Arg   uint64
}

type recordType uint8

const (
	recSet    recordType = 1 // unstable: Count blocks from Arg on are now State
	recCommit recordType = 2 // every set up to sequence number Arg is durable
	recVoid   recordType = 3 // a sync failed: sets not yet committed never were
)

const (
	recordSize = 32
	// sectorSize: a record of type commit or void is the last of its sector,
	// so that no later append rewrites a sector that a sync has confirmed.
	sectorSize = block.SectorSize
	maxCount   = 1<<32 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends the 32 bytes of r.
func (r record) AppendBinary(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, byte(r.Type), byte(r.State), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.Epoch)
	b = binary.LittleEndian.AppendUint32(b, r.Count)
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, r.Arg)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

// decodeRecord reports false if b does not start with a whole record whose
// sum is right: at the end of a journal that is what is found.
func decodeRecord(b []byte) (r record, ok bool) {
	if len(b) < recordSize || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:recordSize], castagnoli) {
		return r, false
	}
	return record{
		Type: recordType(b[4]), State: state(b[5]),
		Epoch: binary.LittleEndian.Uint32(b[8:]),
		Count: binary.LittleEndian.Uint32(b[12:]),
		Seq:   binary.LittleEndian.Uint64(b[16:]),
		Arg:   binary.LittleEndian.Uint64(b[24:]),
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
	case recCommit:
		ok = r.Arg < r.Seq
	case recVoid:
		ok = true
	}
	if !ok {
		return fmt.Errorf("journal record %d of type %d: %w", r.Seq, r.Type, block.ErrCorrupt)
	}
	return nil
}

// endsSector reports whether the next record starts on a new sector.
func (r record) endsSector() bool { return r.Type != recSet }

// replayed is what a journal says beyond its checkpoint.
type replayed struct {
	durable  []record // sets that a commit covers, in order
	unstable []record // sets after them: true only if the machine stayed up
	seq      uint64   // of the last record
	pos      int64    // where the next one goes
}

// replay reads the log, a ring, from start on, until the first place that
// does not hold the record with the next number of this epoch.
func replay(log []byte, start int64, epoch uint32, seq uint64, blocks int64) (replayed, error) {
	res := replayed{seq: seq, pos: start}
	if len(log)%sectorSize != 0 || start < 0 || start%recordSize != 0 || (start > 0 && start >= int64(len(log))) {
		return res, fmt.Errorf("journal of %d bytes from %d: %w", len(log), start, block.ErrCorrupt)
	}
	for read := int64(0); read < int64(len(log)); {
		r, ok := decodeRecord(log[res.pos:])
		if !ok || r.Epoch != epoch || r.Seq != res.seq+1 {
			break
		}
		if err := r.check(blocks); err != nil {
			return res, err
		}
		res.take(r)
		step := int64(recordSize)
		if r.endsSector() {
			step = sectorSize - res.pos%sectorSize
		}
		read += step
		res.seq, res.pos = r.Seq, (res.pos+step)%int64(len(log))
	}
	return res, nil
}

func (res *replayed) take(r record) {
	switch r.Type {
	case recSet:
		res.unstable = append(res.unstable, r)
	case recCommit:
		n := 0
		for n < len(res.unstable) && res.unstable[n].Seq <= r.Arg {
			n++
		}
		res.durable = append(res.durable, res.unstable[:n]...)
		res.unstable = res.unstable[n:]
	case recVoid:
		res.unstable = nil
	}
}
