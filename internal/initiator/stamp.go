package initiator

import (
	"encoding/binary"
	"fmt"
)

// stampSize is the grain of stamps, the smallest write a disk can tear.
const stampSize = 512

// Stamp fills p, whole 512-byte sectors to be written at off, with what only
// this place and this generation have.
func Stamp(p []byte, off int64, generation uint64) {
	for ; len(p) >= stampSize; p, off = p[stampSize:], off+stampSize {
		x := seed(off, generation)
		for i := 0; i < stampSize; i += 8 {
			binary.LittleEndian.PutUint64(p[i:], x)
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
}

// CheckStamp tells where p, read at off, is not what Stamp made.
func CheckStamp(p []byte, off int64, generation uint64) error {
	for ; len(p) >= stampSize; p, off = p[stampSize:], off+stampSize {
		x := seed(off, generation)
		for i := 0; i < stampSize; i += 8 {
			if got := binary.LittleEndian.Uint64(p[i:]); got != x {
				return fmt.Errorf("at %d there is %016x, not %016x of generation %d", off+int64(i), got, x, generation)
			}
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	return nil
}

// seed mixes its arguments (splitmix64).
func seed(off int64, generation uint64) uint64 {
	x := uint64(off) + generation*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
