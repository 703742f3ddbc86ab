package cow

import (
	"fmt"
	"hash/crc32"

	"bootes.dev/internal/block"
)

// replayed is what a journal says beyond its checkpoint.
type replayed struct {
	durable  []record // sets that a commit covers, in order
	unstable []record // sets after them: true only if the machine stayed up
	seq      uint64   // of the last record
	pos      int64    // where the next one goes

	// carried is the data that a power cut may have kept from its place, in
	// order; loose is such of which no flush has said that it is whole.
	carried, loose []piece
	voided         bool // the volume failed then, and nothing comes after that
}

// piece is what a write wrote: whole sectors.
type piece struct {
	off  int64 // on the disk
	data []byte
}

// replay reads the log, a ring, from start on, up to a void or to the first
// place that does not hold the record with the next number of this epoch, whole.
func replay(log []byte, start int64, epoch uint32, seq uint64, blocks int64, seed uint32) (replayed, error) {
	res := replayed{seq: seq, pos: start}
	if len(log)%sectorSize != 0 || start < 0 || start%recordSize != 0 || (start > 0 && start >= int64(len(log))) {
		return res, fmt.Errorf("journal of %d bytes from %d: %w", len(log), start, block.ErrCorrupt)
	}
	for read := int64(0); read < int64(len(log)) && !res.voided; {
		r, ok := decodeRecord(log[res.pos:], seed)
		if !ok || r.Epoch != epoch || r.Seq != res.seq+1 {
			break
		}
		if err := r.check(blocks); err != nil {
			return res, err
		}
		step := r.step(res.pos)
		if read += step; read > int64(len(log)) {
			return res, fmt.Errorf("journal record %d is longer than the journal: %w", r.Seq, block.ErrCorrupt)
		}
		if !res.take(r, log) {
			break
		}
		res.seq, res.pos = r.Seq, (res.pos+step)%int64(len(log))
	}
	return res, nil
}

// take reports false for a record whose data is not whole.
func (res *replayed) take(r record, log []byte) bool {
	switch r.Type {
	case recSet:
		res.unstable = append(res.unstable, r)
	case recData:
		data := slice(log, (res.pos+recordSize)%int64(len(log)), int(r.Sectors)*sectorSize)
		if crc32.Checksum(data, castagnoli) != r.Count {
			return false
		}
		res.loose = append(res.loose, piece{int64(r.Arg) * sectorSize, data})
	case recCommit:
		res.cover(r.Arg)
		res.carried, res.loose = nil, nil // newer, if anything, is in place
	case recCarry:
		res.cover(r.Arg)
		res.carried, res.loose = append(res.carried, res.loose...), nil
	case recVoid:
		res.unstable, res.loose, res.voided = nil, nil, true
	}
	return true
}

// cover makes the sets up to a sequence number durable.
func (res *replayed) cover(upTo uint64) {
	n := 0
	for n < len(res.unstable) && res.unstable[n].Seq <= upTo {
		n++
	}
	res.durable = append(res.durable, res.unstable[:n]...)
	res.unstable = res.unstable[n:]
}

// slice copies n bytes of a ring.
func slice(ring []byte, pos int64, n int) []byte {
	p := make([]byte, n)
	copy(p[copy(p, ring[pos:]):], ring)
	return p
}
