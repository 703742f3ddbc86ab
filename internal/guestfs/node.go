package guestfs

// fileSystem is a file system that has been recognised.
type fileSystem interface {
	root() (node, error)
	system() string
	unclean() bool
}

// node is a file, folder or link in one.
type node interface {
	info() Info // without a name
	// lookup finds an entry of a folder; fs.ErrNotExist.
	lookup(name string) (node, error)
	// list calls fn for each entry of a folder but "." and "..", with an error
	// in the place of a node that cannot be read.
	list(fn func(name string, n node, err error) error) error
	target() (string, error) // of a symbolic link
	// read fills p from byte off of a file; the range lies inside it.
	read(p []byte, off int64) error
}

// maxBlock is the largest block or cluster, in bytes.
const maxBlock = 64 << 10
