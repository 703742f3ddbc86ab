package inventory

import "math/bits"

// bitmap is a set of IPv4 addresses in which gaps are found fast.
type bitmap map[uint32]uint64

func (b bitmap) set(n uint32) { b[n/64] |= 1 << (n % 64) }

func (b bitmap) clear(n uint32) {
	if b[n/64] &^= 1 << (n % 64); b[n/64] == 0 {
		delete(b, n/64)
	}
}

func (b bitmap) has(n uint32) bool { return b[n/64]>>(n%64)&1 != 0 }

// gap is the first number from at to end that is not in the set.
func (b bitmap) gap(at, end uint64) (n uint64, ok bool) {
	for at <= end {
		if free := ^b[uint32(at/64)] >> (at % 64); free != 0 {
			at += uint64(bits.TrailingZeros64(free))
			return at, at <= end
		}
		at = at/64*64 + 64
	}
	return 0, false
}
