package guestfs

import (
	"encoding/binary"
	"fmt"
)

// span is where a run of a file's blocks lies.
type span struct {
	block uint64 // on the disk
	count uint64
	hole  bool // zeros
}

// read fills p from byte off of the file.
func (n *extNode) read(p []byte, off int64) error {
	if n.flags&flagInline != 0 {
		return fmt.Errorf("its content is in its inode (inline_data): %w", ErrUnsupported)
	}
	if n.flags&flagEncrypted != 0 {
		return fmt.Errorf("it is encrypted: %w", ErrUnsupported)
	}
	size := n.f.blockSize
	for len(p) > 0 {
		s, err := n.find(uint64(off) / size)
		if err != nil {
			return n.f.hint(err)
		}
		inside := uint64(off) % size
		part := p[:min(uint64(len(p)), s.count*size-inside)]
		if s.hole {
			clear(part)
		} else if err := n.f.p.read(part, s.block*size+inside); err != nil {
			return n.f.hint(err)
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// find tells where the file's block is, and how many follow it.
func (n *extNode) find(block uint64) (span, error) {
	var s span
	var err error
	if n.flags&flagExtents != 0 {
		s, err = n.findExtent(block)
	} else {
		s, err = n.findPointer(block)
	}
	if err != nil {
		return s, err
	}
	if s.count == 0 || !s.hole && (s.block <= n.f.first || s.block >= n.f.blocks || s.count > n.f.blocks-s.block) {
		return s, corrupt("inode %d: block %d at %d+%d of %d", n.number, block, s.block, s.count, n.f.blocks)
	}
	return s, nil
}

// extCache holds the last block of each level of the tree.
type extCache [maxDepth + 1]struct {
	block uint64
	data  []byte
}

func (n *extNode) cached(level int, block uint64, check func(b []byte) error) ([]byte, error) {
	c := &n.cache[level]
	if c.data != nil && c.block == block {
		return c.data, nil
	}
	if block <= n.f.first || block >= n.f.blocks {
		return nil, corrupt("inode %d: tree in block %d of %d", n.number, block, n.f.blocks)
	}
	b := make([]byte, n.f.blockSize)
	if err := n.f.p.read(b, block*n.f.blockSize); err != nil {
		return nil, err
	}
	if err := check(b); err != nil {
		return nil, err
	}
	c.block, c.data = block, b
	return b, nil
}

// An extent tree's node: a header of 12 bytes (magic, number of entries, most
// entries, depth: 2 bytes each), then entries of 12 bytes: first block of the
// file (4), then in a leaf (depth 0) the length (2; more than 32768: that much
// less, of blocks not yet written), upper (2) and lower part (4) of the first
// block on disk, and above leaves lower (4) and upper part (2) of the block of
// the next node. After the last possible entry, but not in the inode, is a
// checksum.
const (
	extentMagic = 0xf30a
	extentSize  = 12
	maxExtent   = 1 << 15
	maxDepth    = 5
)

// findExtent goes down the tree. Each step reads one block, and the depth
// falls with each, so it ends whatever the tree says.
func (n *extNode) findExtent(block uint64) (span, error) {
	b := n.blocks[:]
	if err := n.checkExtents(b, -1); err != nil {
		return span{}, err
	}
	end := uint64(1) << 32 // of what this node tells of
	for {
		depth := int(binary.LittleEndian.Uint16(b[6:]))
		i, next := searchExtents(b, block)
		end = min(end, next)
		if i < 0 {
			return span{count: end - block, hole: true}, nil
		}
		e := b[extentSize*(i+1):]
		if depth == 0 {
			return leafExtent(e, block, end), nil
		}
		child := uint64(binary.LittleEndian.Uint32(e[4:])) | uint64(binary.LittleEndian.Uint16(e[8:]))<<32
		var err error
		if b, err = n.cached(depth, child, func(b []byte) error { return n.checkExtents(b, depth-1) }); err != nil {
			return span{}, err
		}
	}
}

// searchExtents finds the last entry that begins at block or before, or -1, and
// where the one after it begins.
func searchExtents(b []byte, block uint64) (i int, next uint64) {
	first := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[extentSize*(i+1):])) }
	lo, hi := -1, int(binary.LittleEndian.Uint16(b[2:]))
	next = 1 << 32
	for lo+1 < hi {
		mid := (lo + hi) / 2
		if f := first(mid); f <= block {
			lo = mid
		} else {
			hi, next = mid, f
		}
	}
	return lo, next
}

// leafExtent is what extent e says of block, or the hole after it.
func leafExtent(e []byte, block, end uint64) span {
	first := uint64(binary.LittleEndian.Uint32(e))
	count, unwritten := extentLength(e)
	if block >= first+count {
		return span{count: end - block, hole: true}
	}
	start := uint64(binary.LittleEndian.Uint32(e[8:])) | uint64(binary.LittleEndian.Uint16(e[6:]))<<32
	return span{block: start + block - first, count: min(first+count, end) - block, hole: unwritten}
}

func extentLength(e []byte) (count uint64, unwritten bool) {
	count = uint64(binary.LittleEndian.Uint16(e[4:]))
	if count > maxExtent {
		return count - maxExtent, true
	}
	return count, false
}

// checkExtents checks a node. depth is what the node above asks for, -1 for
// the node in the inode.
func (n *extNode) checkExtents(b []byte, depth int) error {
	count, most := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[4:]))
	room := len(b)/extentSize - 1
	d := int(binary.LittleEndian.Uint16(b[6:]))
	if binary.LittleEndian.Uint16(b) != extentMagic || count > most || most > room || d > maxDepth || depth >= 0 && d != depth {
		return corrupt("inode %d: a node of its extents, % x", n.number, b[:8])
	}
	end := uint64(0)
	for i := range count {
		e := b[extentSize*(i+1):]
		first, length := uint64(binary.LittleEndian.Uint32(e)), uint64(1)
		if d == 0 {
			length, _ = extentLength(e)
		}
		if first < end || length == 0 {
			return corrupt("inode %d: extents out of order", n.number)
		}
		end = first + length
	}
	if tail := extentSize * (most + 1); n.f.checked && depth >= 0 && tail+4 <= len(b) {
		if extSum(n.seed, b[:tail]) != binary.LittleEndian.Uint32(b[tail:]) {
			return corrupt("inode %d: wrong checksum of its extents", n.number)
		}
	}
	return nil
}

// findPointer is for files without extents: 12 pointers to blocks, then one
// each to blocks of pointers, of pointers to such, and once more.
func (n *extNode) findPointer(block uint64) (span, error) {
	const direct = 12
	if block < direct {
		return run(n.blocks[:4*direct], block), nil
	}
	perBlock := n.f.blockSize / 4
	index, reach := block-direct, uint64(1)
	for level := 1; level <= 3; level++ {
		if reach *= perBlock; index < reach {
			at := n.blocks[4*(direct-1+level):]
			return n.pointers(uint64(binary.LittleEndian.Uint32(at)), level, index, reach)
		}
		index -= reach
	}
	return span{}, corrupt("inode %d: block %d of a file", n.number, block)
}

// pointers follows block, below which are reach blocks of the file.
func (n *extNode) pointers(block uint64, level int, index, reach uint64) (span, error) {
	for ; ; level-- {
		if block == 0 {
			return span{count: reach - index, hole: true}, nil
		}
		b, err := n.cached(level, block, func([]byte) error { return nil })
		if err != nil {
			return span{}, err
		}
		if level == 1 {
			return run(b, index), nil
		}
		reach /= n.f.blockSize / 4
		block = uint64(binary.LittleEndian.Uint32(b[4*(index/reach):]))
		index %= reach
	}
}

// run joins the pointer at index with those after it that go on.
func run(pointers []byte, index uint64) span {
	at := func(i uint64) uint64 { return uint64(binary.LittleEndian.Uint32(pointers[4*i:])) }
	s := span{block: at(index), hole: at(index) == 0}
	for s.count = 1; 4*(index+s.count) < uint64(len(pointers)); s.count++ {
		if next := at(index + s.count); s.hole && next != 0 || !s.hole && next != s.block+s.count {
			break
		}
	}
	return s
}
