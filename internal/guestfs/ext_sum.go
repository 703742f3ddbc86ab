package guestfs

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// extSum is ext4's crc32c, which is not inverted before and after.
func extSum(sum uint32, b []byte) uint32 { return ^crc32.Update(^sum, castagnoli, b) }

func extSum32(sum, v uint32) uint32 {
	return extSum(sum, binary.LittleEndian.AppendUint32(nil, v))
}

// checksums finds out whether there are any, and what they begin with.
func (f *extFS) checksums(super []byte) {
	f.checked = f.roCompat&roCompatCsum != 0
	f.seed = extSum(^uint32(0), super[sbUUID:sbUUID+16])
	if f.incompat&incompatCsumSeed != 0 {
		f.seed = binary.LittleEndian.Uint32(super[sbChecksumSeed:])
	}
}

// checkDesc checks the descriptor of a group.
func (f *extFS) checkDesc(group uint64, desc []byte) error {
	if !f.checked {
		return nil
	}
	sum := extSum32(f.seed, uint32(group))
	sum = extSum(sum, desc[:descChecksum])
	sum = extSum(sum, []byte{0, 0})
	sum = extSum(sum, desc[descChecksum+2:])
	if uint16(sum) != binary.LittleEndian.Uint16(desc[descChecksum:]) {
		return corrupt("wrong checksum of group descriptor %d", group)
	}
	return nil
}

// checkInode checks an inode and returns what the checksums of its blocks
// begin with.
func (f *extFS) checkInode(number uint32, b []byte) (seed uint32, err error) {
	seed = extSum32(extSum32(f.seed, number), binary.LittleEndian.Uint32(b[inodeGeneration:]))
	if !f.checked {
		return seed, nil
	}
	want, mask := uint32(binary.LittleEndian.Uint16(b[inodeSumLow:])), uint32(0xffff)
	sum := extSum(seed, b[:inodeSumLow])
	sum = extSum(sum, []byte{0, 0})
	sum = extSum(sum, b[inodeSumLow+2:128])
	if len(b) > 128 {
		rest := append([]byte(nil), b[128:]...)
		if binary.LittleEndian.Uint16(b[inodeExtra:]) >= inodeSumHigh+2-128 {
			want |= uint32(binary.LittleEndian.Uint16(b[inodeSumHigh:])) << 16
			mask = ^uint32(0)
			clear(rest[inodeSumHigh-128 : inodeSumHigh+2-128])
		}
		sum = extSum(sum, rest)
	}
	if sum&mask != want {
		return 0, corrupt("wrong checksum of inode %d", number)
	}
	return seed, nil
}
