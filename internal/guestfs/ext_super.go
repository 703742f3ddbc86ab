package guestfs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The superblock of ext2, ext3 and ext4 is at byte 1024 (Linux,
// Documentation/filesystems/ext4). All numbers are little-endian; a name with
// Hi holds the upper half of a number.
const (
	extSuperAt   = 1024
	extSuperSize = 1024
	extMagic     = 0xef53

	sbInodes         = 0x00
	sbBlocks         = 0x04
	sbFirstBlock     = 0x14
	sbLogBlock       = 0x18
	sbBlocksPerGroup = 0x20
	sbInodesPerGroup = 0x28
	sbMagic          = 0x38
	sbState          = 0x3a
	sbRevision       = 0x4c
	sbInodeSize      = 0x58
	sbCompat         = 0x5c
	sbIncompat       = 0x60
	sbROCompat       = 0x64
	sbUUID           = 0x68
	sbLabel          = 0x78
	sbDescSize       = 0xfe
	sbFirstMetaGroup = 0x104
	sbBlocksHi       = 0x150
	sbChecksumSeed   = 0x270
	sbChecksum       = 0x3fc

	stateClean = 1

	compatJournal = 0x4

	incompatFileType = 0x2
	incompatRecover  = 0x4
	incompatMetaBG   = 0x10
	incompatExtents  = 0x40
	incompat64Bit    = 0x80
	incompatCsumSeed = 0x2000
	// incompatKnown are those that change nothing for a reader (multiple mount
	// protection, flexible groups, values of attributes in inodes, large
	// folders), those above, and those that only matter for the inodes that use
	// them (inline data, encryption, folded case).
	incompatKnown = incompatFileType | incompatRecover | incompatMetaBG | incompatExtents | incompat64Bit | incompatCsumSeed |
		0x100 | 0x200 | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x20000

	roCompatSparse = 0x1
	roCompatCsum   = 0x400

	incompatLargeDir = 0x4000

	extRoot = 2 // inode
)

// extFS is an ext2, ext3 or ext4.
type extFS struct {
	p         piece
	blockSize uint64
	blocks    uint64
	first     uint64 // data block
	perGroup  uint64 // blocks
	inodes    uint64
	inodesPer uint64 // of a group
	inodeSize uint64
	descSize  uint64
	firstMeta uint64
	compat    uint32
	incompat  uint32
	roCompat  uint32
	state     uint16
	seed      uint32 // of checksums
	checked   bool   // metadata has checksums
}

// openExt recognises an ext2, ext3 or ext4; errNone.
func openExt(p piece) (fileSystem, error) {
	var b [extSuperSize]byte
	if p.size < extSuperAt+extSuperSize {
		return nil, errNone
	}
	if err := p.read(b[:], extSuperAt); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(b[sbMagic:]) != extMagic {
		return nil, errNone
	}
	f := &extFS{p: p}
	if err := f.parse(b[:]); err != nil {
		return nil, fmt.Errorf("its ext superblock: %w", err)
	}
	return f, nil
}

func (f *extFS) parse(b []byte) error {
	u16 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	f.compat, f.incompat, f.roCompat = uint32(u32(sbCompat)), uint32(u32(sbIncompat)), uint32(u32(sbROCompat))
	f.state = uint16(u16(sbState))
	f.inodes, f.blocks, f.first = u32(sbInodes), u32(sbBlocks), u32(sbFirstBlock)
	f.perGroup, f.inodesPer = u32(sbBlocksPerGroup), u32(sbInodesPerGroup)
	f.inodeSize, f.descSize, f.firstMeta = 128, 32, u32(sbFirstMetaGroup)
	if u32(sbRevision) > 0 {
		f.inodeSize = u16(sbInodeSize)
	} else {
		f.compat, f.incompat, f.roCompat = 0, 0, 0
	}
	if unknown := f.incompat &^ incompatKnown; unknown != 0 {
		return fmt.Errorf("features %#x: %w", unknown, ErrUnsupported)
	}
	if f.incompat&incompat64Bit != 0 {
		f.descSize = u16(sbDescSize)
		f.blocks |= u32(sbBlocksHi) << 32
	}
	if log := u32(sbLogBlock); log > 6 {
		return corrupt("blocks of 2^%d KiB", log)
	}
	f.blockSize = 1024 << u32(sbLogBlock)
	if err := f.check(); err != nil {
		return err
	}
	f.checksums(b)
	if f.checked && extSum(^uint32(0), b[:sbChecksum]) != uint32(u32(sbChecksum)) {
		return corrupt("wrong checksum")
	}
	return nil
}

func powerOf2(n uint64) bool { return n != 0 && n&(n-1) == 0 }

// check refuses what would make later arithmetic fail.
func (f *extFS) check() error {
	switch {
	case f.blocks == 0 || f.blocks > 1<<48 || f.first >= f.blocks:
		return corrupt("%d blocks from block %d", f.blocks, f.first)
	case f.perGroup == 0 || f.perGroup > 1<<32/8 || f.inodesPer == 0:
		return corrupt("groups of %d blocks and %d inodes", f.perGroup, f.inodesPer)
	case f.inodeSize < 128 || f.inodeSize > f.blockSize || !powerOf2(f.inodeSize):
		return corrupt("inodes of %d bytes", f.inodeSize)
	case f.descSize < 32 || f.descSize > 1024 || !powerOf2(f.descSize) || f.incompat&incompat64Bit != 0 && f.descSize < 64:
		return corrupt("group descriptors of %d bytes", f.descSize)
	case f.inodes < extRoot || f.inodes > f.groups()*f.inodesPer:
		return corrupt("%d inodes in %d groups of %d", f.inodes, f.groups(), f.inodesPer)
	}
	return nil
}

func (f *extFS) groups() uint64 { return (f.blocks - f.first + f.perGroup - 1) / f.perGroup }

func (f *extFS) system() string {
	switch {
	case f.incompat&(incompatExtents|incompat64Bit) != 0:
		return "ext4"
	case f.compat&compatJournal != 0:
		return "ext3"
	}
	return "ext2"
}

func (f *extFS) unclean() bool {
	return f.incompat&incompatRecover != 0 || f.state&stateClean == 0
}

// hint adds to an error why it may be.
func (f *extFS) hint(err error) error {
	if f.unclean() && errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w (it was in use, and its journal is not replayed)", err)
	}
	return err
}
