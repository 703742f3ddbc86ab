package guestfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Errors that List, Stat, Open and Read wrap, beside fs.ErrNotExist and those of the
// disk.
var (
	// ErrCorrupt: the file system contradicts itself.
	ErrCorrupt = errors.New("the file system is damaged")
	// ErrUnsupported: it is of a kind, or has a feature, that is not read.
	ErrUnsupported = errors.New("not supported")
	// ErrKind: the path leads to a file where a folder is needed, or the other
	// way round.
	ErrKind = errors.New("wrong kind of file")
	// ErrPath: the path makes no sense.
	ErrPath = errors.New("invalid path")
)

// Type is a kind of file.
type Type string

const (
	File    Type = "file"
	Dir     Type = "dir"
	Symlink Type = "symlink"
	Other   Type = "other" // a device, socket or FIFO; or nothing is known
)

var called = map[Type]string{Dir: "a folder", Symlink: "a symbolic link", Other: "no regular file"}

// Info is what is known of a file. Names and targets are the guest's bytes,
// and may be no UTF-8 and hold anything but NUL and, in names, a slash.
type Info struct {
	Name     string
	Type     Type
	Size     int64 // in bytes
	Mode     fs.FileMode
	Modified time.Time // of FAT, which knows no time zones, as if in UTC
	Target   string    // of a symbolic link
	Err      error     // why the rest is not known of an entry of a folder
}

// Place is where a path was found.
type Place struct {
	Partition int    // its number; 0 if the disk has no partition table
	System    string // "ext4", "fat32", …
	// Unclean: the file system was in use, and what only its journal holds is
	// not seen.
	Unclean bool
}

// Listing is a folder's content, sorted by name, or a single file.
type Listing struct {
	Place
	Entries []Info
}

// lookupTime bounds everything but the reading of a file's content.
const lookupTime = 30 * time.Second

var errLate = fmt.Errorf("it took longer than %v: the disk is slow, or its file system leads in circles", lookupTime)

// List tells what is in the folder at path, or of the file there. dev is a
// disk of size bytes, which is read in whole sectors.
func List(ctx context.Context, dev io.ReaderAt, size int64, path string) (l Listing, err error) {
	defer guard(&err)
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTime, errLate)
	defer cancel()
	m, n, i, err := find(&disk{ctx, dev, size}, path)
	if err != nil {
		return Listing{}, explain("list", path, err)
	}
	l.Place = m.place
	if i.Type != Dir {
		l.Entries = []Info{i}
		return l, nil
	}
	if l.Entries, err = entries(n); err != nil {
		return Listing{}, explain("list", path, m.explain(err))
	}
	return l, nil
}

// Stat tells of the file or the folder at path, without a look at what is in it.
func Stat(ctx context.Context, dev io.ReaderAt, size int64, path string) (i Info, err error) {
	defer guard(&err)
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTime, errLate)
	defer cancel()
	if _, _, i, err = find(&disk{ctx, dev, size}, path); err != nil {
		return Info{}, explain("look for", path, err)
	}
	return i, nil
}

// maxEntries of a folder are listed.
const maxEntries = 1 << 20

func entries(dir node) ([]Info, error) {
	var all []Info
	err := dir.list(func(name string, n node, err error) error {
		if len(all) == maxEntries {
			return fmt.Errorf("a folder with more than %d entries: %w", maxEntries, ErrUnsupported)
		}
		i := Info{Type: Other, Err: err}
		if err == nil {
			i = n.info()
		}
		if i.Type == Symlink {
			i.Target, i.Err = n.target()
		}
		i.Name = name
		all = append(all, i)
		return nil
	})
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Open opens the file at path. The disk must stay open until the content is
// closed; reading it ends with ctx.
func Open(ctx context.Context, dev io.ReaderAt, size int64, path string) (c *Content, err error) {
	defer guard(&err)
	limited, cancel := context.WithTimeoutCause(ctx, lookupTime, errLate)
	defer cancel()
	d := &disk{limited, dev, size}
	m, n, i, err := find(d, path)
	if err != nil {
		return nil, explain("read", path, err)
	}
	if i.Type != File {
		return nil, explain("read", path, fmt.Errorf("%w: it is %s", ErrKind, called[i.Type]))
	}
	d.ctx = ctx
	return &Content{Info: i, Place: m.place, node: n, path: path}, nil
}

// Content is an open file.
type Content struct {
	Info  Info
	Place Place

	path string
	node node
	off  int64
	rest []byte // of buf, not yet given away
	buf  []byte
}

// readAhead is a multiple of any block's size: reads stay aligned.
const readAhead = 256 << 10

// Read reads on.
func (c *Content) Read(p []byte) (n int, err error) {
	defer guard(&err)
	if len(c.rest) == 0 {
		if c.off >= c.Info.Size {
			return 0, io.EOF
		}
		if c.buf == nil {
			c.buf = make([]byte, min(readAhead, (c.Info.Size+maxBlock-1)/maxBlock*maxBlock))
		}
		c.rest = c.buf[:min(int64(len(c.buf)), c.Info.Size-c.off)]
		if err := c.node.read(c.rest, c.off); err != nil {
			c.rest = nil
			return 0, explain("read", c.path, err)
		}
		c.off += int64(len(c.rest))
	}
	n = copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Close gives back the memory.
func (c *Content) Close() error {
	c.buf, c.rest, c.off = nil, nil, c.Info.Size
	return nil
}

func explain(verb, path string, err error) error {
	return fmt.Errorf("%s %q in the disk: %w", verb, path, err)
}

// guard keeps a fault of the readers away from all other machines.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w, in a way that its reader did not foresee: %v", ErrCorrupt, r)
	}
}
