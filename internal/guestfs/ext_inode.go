package guestfs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"
)

// A group descriptor, and an inode.
const (
	descInodeTable   = 0x08
	descChecksum     = 0x1e
	descInodeTableHi = 0x28

	inodeMode       = 0x00
	inodeSizeLow    = 0x04
	inodeMtime      = 0x10
	inodeFlags      = 0x20
	inodeBlocks     = 0x28 // 60 bytes: pointers, extents or a link's target
	inodeBlocksEnd  = 0x64
	inodeGeneration = 0x64
	inodeSizeHigh   = 0x6c
	inodeSumLow     = 0x7c
	inodeExtra      = 0x80 // how many bytes from here on are in use
	inodeSumHigh    = 0x82
	inodeMtimeExtra = 0x88

	flagEncrypted = 0x800
	flagIndex     = 0x1000
	flagExtents   = 0x80000
	flagInline    = 0x10000000
)

// extNode is an inode.
type extNode struct {
	f      *extFS
	number uint32
	mode   uint16
	flags  uint32
	size   uint64
	mtime  time.Time
	blocks [inodeBlocksEnd - inodeBlocks]byte
	seed   uint32   // of the checksums of its blocks
	cache  extCache // of the tree that tells where its blocks are
}

func (f *extFS) root() (node, error) {
	n, err := f.inode(extRoot)
	if err != nil {
		return nil, f.hint(err)
	}
	if n.info().Type != Dir {
		return nil, f.hint(corrupt("its root is no folder"))
	}
	return n, nil
}

func (f *extFS) inode(number uint32) (*extNode, error) {
	if number == 0 || uint64(number) > f.inodes {
		return nil, corrupt("inode %d of %d", number, f.inodes)
	}
	group, index := uint64(number-1)/f.inodesPer, uint64(number-1)%f.inodesPer
	table, err := f.inodeTable(group)
	if err != nil {
		return nil, err
	}
	b := make([]byte, f.inodeSize)
	if err := f.p.read(b, table*f.blockSize+index*f.inodeSize); err != nil {
		return nil, err
	}
	seed, err := f.checkInode(number, b)
	if err != nil {
		return nil, err
	}
	n := &extNode{f: f, number: number, seed: seed}
	return n, n.parse(b)
}

// inodeTable is the block where a group's inodes begin.
func (f *extFS) inodeTable(group uint64) (uint64, error) {
	desc := make([]byte, f.descSize)
	if err := f.p.read(desc, f.descAt(group)); err != nil {
		return 0, err
	}
	if err := f.checkDesc(group, desc); err != nil {
		return 0, err
	}
	table := uint64(binary.LittleEndian.Uint32(desc[descInodeTable:]))
	if f.descSize >= 64 {
		table |= uint64(binary.LittleEndian.Uint32(desc[descInodeTableHi:])) << 32
	}
	if table <= f.first || table >= f.blocks {
		return 0, corrupt("inodes of group %d at block %d of %d", group, table, f.blocks)
	}
	return table, nil
}

// descAt is where a group's descriptor is: in the table after the superblock,
// or, by the feature meta_bg, in the first of the groups that share a block of
// descriptors, after its copy of the superblock.
func (f *extFS) descAt(group uint64) uint64 {
	perBlock := f.blockSize / f.descSize
	block := group / perBlock
	at := f.first + 1 + block
	if f.incompat&incompatMetaBG != 0 && block >= f.firstMeta {
		leader := block * perBlock
		at = f.first + leader*f.perGroup
		if f.hasSuper(leader) {
			at++
		}
	}
	return at*f.blockSize + group%perBlock*f.descSize
}

// hasSuper: group has a copy of the superblock.
func (f *extFS) hasSuper(group uint64) bool {
	if group <= 1 || f.roCompat&roCompatSparse == 0 {
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		n := base
		for n < group {
			n *= base
		}
		if n == group {
			return true
		}
	}
	return false
}

func (n *extNode) parse(b []byte) error {
	n.mode, n.flags = binary.LittleEndian.Uint16(b[inodeMode:]), binary.LittleEndian.Uint32(b[inodeFlags:])
	copy(n.blocks[:], b[inodeBlocks:inodeBlocksEnd])
	n.size = uint64(binary.LittleEndian.Uint32(b[inodeSizeLow:]))
	if n.kind() == File || n.f.incompat&incompatLargeDir != 0 {
		n.size |= uint64(binary.LittleEndian.Uint32(b[inodeSizeHigh:])) << 32
	}
	seconds, nanos := int64(int32(binary.LittleEndian.Uint32(b[inodeMtime:]))), int64(0)
	if len(b) > 128 && binary.LittleEndian.Uint16(b[inodeExtra:]) >= inodeMtimeExtra+4-128 {
		extra := binary.LittleEndian.Uint32(b[inodeMtimeExtra:])
		seconds += int64(extra&3) << 32
		nanos = int64(extra >> 2)
	}
	n.mtime = time.Unix(seconds, nanos).UTC()
	switch {
	case n.mode == 0:
		return corrupt("inode %d is not in use", n.number)
	case (n.size+n.f.blockSize-1)/n.f.blockSize > 1<<32:
		return corrupt("inode %d with %d bytes", n.number, n.size)
	}
	return nil
}

func (n *extNode) kind() Type {
	switch n.mode >> 12 {
	case 0x8:
		return File
	case 0x4:
		return Dir
	case 0xa:
		return Symlink
	}
	return Other
}

func (n *extNode) info() Info {
	return Info{Type: n.kind(), Size: int64(n.size), Mode: unixMode(n.mode), Modified: n.mtime}
}

var (
	modeBits = [...]struct {
		bit uint16
		to  fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}
	modeKinds = [16]fs.FileMode{
		0x1: fs.ModeNamedPipe, 0x2: fs.ModeDevice | fs.ModeCharDevice, 0x4: fs.ModeDir, 0x6: fs.ModeDevice, 0xa: fs.ModeSymlink, 0xc: fs.ModeSocket,
		0x0: fs.ModeIrregular, 0x3: fs.ModeIrregular, 0x5: fs.ModeIrregular, 0x7: fs.ModeIrregular, 0x9: fs.ModeIrregular,
		0xb: fs.ModeIrregular, 0xd: fs.ModeIrregular, 0xe: fs.ModeIrregular, 0xf: fs.ModeIrregular,
	}
)

// unixMode translates the bits of stat(2).
func unixMode(mode uint16) fs.FileMode {
	m := fs.FileMode(mode&0o777) | modeKinds[mode>>12]
	for _, b := range modeBits {
		if mode&b.bit != 0 {
			m |= b.to
		}
	}
	return m
}

// target is in the inode if it is short.
func (n *extNode) target() (string, error) {
	switch {
	case n.size == 0 || n.size > maxPath:
		return "", n.f.hint(corrupt("link in inode %d with %d bytes", n.number, n.size))
	case n.flags&flagEncrypted != 0:
		return "", fmt.Errorf("it is encrypted: %w", ErrUnsupported)
	case n.size < uint64(len(n.blocks)) && n.flags&flagExtents == 0:
		return string(n.blocks[:n.size]), nil
	}
	b := make([]byte, n.size)
	if err := n.read(b, 0); err != nil {
		return "", err
	}
	return string(b), nil
}
