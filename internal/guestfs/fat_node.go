package guestfs

import (
	"io/fs"
	"strings"
	"time"
)

// fatNode is a file or folder.
type fatNode struct {
	f        *fatFS
	isRoot   bool
	isDir    bool
	readOnly bool
	first    uint32 // cluster; 0: none
	size     uint32
	mtime    time.Time

	index   uint32 // of the cluster found last in the chain
	cluster uint32 // 0: none was
}

func (n *fatNode) info() Info {
	if n.isRoot || n.isDir {
		return Info{Type: Dir, Mode: fs.ModeDir | 0o755, Modified: n.mtime}
	}
	mode := fs.FileMode(0o644)
	if n.readOnly {
		mode = 0o444
	}
	return Info{Type: File, Size: int64(n.size), Mode: mode, Modified: n.mtime}
}

func (n *fatNode) target() (string, error) { return "", ErrKind }

// at finds cluster number index of the chain; 0 behind its end. A chain may be
// a ring: the caller ends.
func (n *fatNode) at(index uint32) (uint32, error) {
	if n.cluster == 0 || index < n.index {
		if n.first < 2 || n.first > n.f.clusters {
			return 0, corrupt("a chain begins at cluster %d of %d", n.first, n.f.clusters)
		}
		n.index, n.cluster = 0, n.first
	}
	for n.index < index {
		next, err := n.f.after(n.cluster)
		if err != nil || next == 0 {
			return 0, err
		}
		n.index, n.cluster = n.index+1, next
	}
	return n.cluster, nil
}

// read fills p from byte off of the file.
func (n *fatNode) read(p []byte, off int64) error {
	size := n.f.cluster
	for len(p) > 0 {
		cluster, err := n.at(uint32(uint64(off) / size))
		if err != nil {
			return err
		}
		if cluster == 0 {
			return corrupt("a file of %d bytes ends after %d", n.size, off)
		}
		inside := uint64(off) % size
		part := p[:min(uint64(len(p)), size-inside)]
		if err := n.f.p.read(part, n.f.data+uint64(cluster-2)*size+inside); err != nil {
			return err
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

func (n *fatNode) lookup(name string) (node, error) {
	var found *fatNode
	err := n.entries(func(long, short string, entry *fatNode) (bool, error) {
		if strings.EqualFold(name, long) || strings.EqualFold(name, short) {
			found = entry
		}
		return found == nil, nil
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, fs.ErrNotExist
	}
	return found, nil
}

func (n *fatNode) list(fn func(name string, n node, err error) error) error {
	return n.entries(func(long, short string, entry *fatNode) (bool, error) {
		return true, fn(long, entry, nil)
	})
}
