package guestfs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"
)

// maxDirBytes of a folder are read, the size of some ten million files.
const maxDirBytes = 1 << 30

func (n *extNode) lookup(name string) (node, error) {
	var found *extNode
	err := n.entries(func(entry string, inode uint32) (bool, error) {
		if entry != name {
			return true, nil
		}
		var err error
		found, err = n.f.inode(inode)
		return false, err
	})
	switch {
	case err != nil:
		return nil, n.f.hint(err)
	case found == nil:
		return nil, fs.ErrNotExist
	}
	return found, nil
}

func (n *extNode) list(fn func(name string, n node, err error) error) error {
	err := n.entries(func(name string, number uint32) (bool, error) {
		inode, err := n.f.inode(number)
		return true, fn(name, inode, err)
	})
	return n.f.hint(err)
}

// entries calls fn for each entry but "." and "..", until it returns false.
// The blocks of an index (htree) look like empty ones to those who read all of
// a folder, so it needs no care.
func (n *extNode) entries(fn func(name string, inode uint32) (bool, error)) error {
	size := n.f.blockSize
	switch {
	case n.size > maxDirBytes:
		return fmt.Errorf("a folder of %d bytes: %w", n.size, ErrUnsupported)
	case n.flags&(flagInline|flagEncrypted) != 0:
		return fmt.Errorf("a folder that is encrypted or in its inode (inline_data): %w", ErrUnsupported)
	}
	b := make([]byte, size)
	for block := uint64(0); block < n.size/size; {
		s, err := n.find(block)
		if err != nil {
			return err
		}
		if s.hole {
			block += s.count
			continue
		}
		if err := n.f.p.read(b, s.block*size); err != nil {
			return err
		}
		if err := n.checkFolder(block, b); err != nil {
			return err
		}
		if more, err := n.blockEntries(b, fn); err != nil || !more {
			return err
		}
		block++
	}
	return nil
}

// A folder's entry: inode (4), length of the entry (2), length of the name (1),
// type (1), name. Inode 0 is none. With checksums, the last entry of a block is
// one of 12 bytes, of type 0xde, which holds the block's.
const (
	direntHead = 8
	direntTail = 12
	tailMagic  = "\x00\x00\x00\x00\x0c\x00\x00\xde"
)

// checkFolder checks the checksum of a block with entries. Blocks of an index,
// the first one and those with one empty entry, have another, which may follow
// a tail that Linux left behind.
func (n *extNode) checkFolder(block uint64, b []byte) error {
	length := int(binary.LittleEndian.Uint16(b[4:]))
	empty := binary.LittleEndian.Uint32(b) == 0 && (length == len(b) || len(b) == maxBlock && (length == 0 || length == maxBlock-1))
	tail := b[len(b)-direntTail:]
	if !n.f.checked || n.flags&flagIndex != 0 && (block == 0 || empty) || string(tail[:8]) != tailMagic {
		return nil
	}
	if extSum(n.seed, b[:len(b)-direntTail]) != binary.LittleEndian.Uint32(tail[8:]) {
		return corrupt("wrong checksum of a block of the folder in inode %d", n.number)
	}
	return nil
}

func (n *extNode) blockEntries(b []byte, fn func(name string, inode uint32) (bool, error)) (more bool, err error) {
	for len(b) >= direntHead {
		length, nameLen := int(binary.LittleEndian.Uint16(b[4:])), int(b[6])
		if len(b) == maxBlock && (length == 0 || length == maxBlock-1) {
			length = maxBlock
		}
		if length < direntHead || length%4 != 0 || length > len(b) || direntHead+nameLen > length {
			return false, corrupt("an entry of the folder in inode %d: %d bytes, %d of its name", n.number, length, nameLen)
		}
		inode, name := binary.LittleEndian.Uint32(b), string(b[direntHead:direntHead+nameLen])
		b = b[length:]
		if inode == 0 || name == "." || name == ".." {
			continue
		}
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return false, corrupt("a name %q in the folder in inode %d", name, n.number)
		}
		if more, err := fn(name, inode); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}
