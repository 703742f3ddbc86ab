// Package diskimage reads disk images that others made, and writes them: raw
// ones directly, qcow2, VHD, VHDX and VMDK through qemu-img, which is found at
// run time. It also reads partition tables.
//
// An image comes from anywhere, so it is taken for hostile. qemu-img would
// follow an image's references to other files (a backing file, an external
// data file, the extents of a VMDK descriptor) and so copy, say, /etc/shadow
// into a disk that a stranger may read. So the format is told by its magic
// here, never guessed again by qemu-img; references are refused by name,
// qcow2's before qemu-img is run at all; and qemu-img works on descriptors
// that are open already, not on names that may change under it, and on contents
// that nobody can change meanwhile.
//
// A truncated image is refused where its format or its partition table tells.
// A raw file whose size is no multiple of 512 bytes is refused, not padded: no
// disk has such a size, so the copy was cut short.
package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/block"
)

// Source is a disk image as a plain disk. It may be read by any number of
// goroutines.
type Source struct {
	f      *os.File
	size   int64
	format string
}

// Options say how a foreign format is converted.
type Options struct {
	// File, if not nil, is the image, open for reading: it is read by this
	// descriptor where its path may not be opened by us. It stays open.
	File   *os.File
	TmpDir string // made if it is missing
	// Room, if not nil, is asked before a disk of size bytes of which about
	// data are not zeros is converted; its error is Open's.
	Room func(size, data int64) error
	// Progress, if not nil, is told of the conversion, in bytes of the disk.
	Progress func(done, total int64)
}

// Open reads the image at path, which may be a descriptor's in /proc. A
// foreign format is first converted to a sparse file in o.TmpDir; that file has
// no name, so nothing of it is left when the process ends in whatever way.
//
// *FormatError when the image is at fault, ErrNoQemuImg when the program is
// needed and missing.
func Open(ctx context.Context, path string, o Options) (*Source, error) {
	s, err := open(ctx, path, o)
	if err == nil {
		return s, nil
	}
	var own *hostError
	if ctx.Err() != nil || errors.Is(err, ErrNoQemuImg) || errors.As(err, &own) {
		return nil, fmt.Errorf("read disk image %q: %w", path, err)
	}
	return nil, &FormatError{Path: path, Err: err}
}

// FormatError refuses an image: it is missing, damaged, or none.
type FormatError struct {
	Path string
	Err  error
}

func (e *FormatError) Error() string { return fmt.Sprintf("read disk image %q: %v", e.Path, e.Err) }

func (e *FormatError) Unwrap() error { return e.Err }

// hostError is a failure of this host, not of the image.
type hostError struct {
	what string
	err  error
}

func (e *hostError) Error() string { return e.what + ": " + e.err.Error() }

func (e *hostError) Unwrap() error { return e.err }

func open(ctx context.Context, path string, o Options) (*Source, error) {
	f, err := openRegular(path, o.File)
	if err != nil {
		return nil, err
	}
	s, err := read(ctx, f, extension(f, path), o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if s.f != f {
		err = f.Close()
	}
	return s, err
}

// openRegular does not wait for the other end of a FIFO. Opened again, a file is
// ours alone, also the lease on it; only where we have no right to that it is
// the one that was handed to us, of which somebody else has the same descriptor.
func openRegular(path string, handed *os.File) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) && handed != nil {
		f, err = duplicate(handed, fileName(handed, path))
	}
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the caller names the path
		}
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("it is not a file but a %s", kindOf(st.Mode()))
	}
	if err == nil && st.Size() == 0 {
		err = errors.New("the file is empty")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func kindOf(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&os.ModeDevice != 0:
		return "device: copy it to a file first, with dd"
	}
	return "pipe or socket: copy it to a file first"
}

// extension is how the file's name ends.
func extension(f *os.File, path string) string {
	return strings.ToLower(filepath.Ext(fileName(f, path)))
}

// fileName is the name that f was first opened by, where the name that we know
// is a descriptor's; name if that cannot be told.
func fileName(f *os.File, name string) string {
	if first, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
		return first
	}
	return name
}

// read returns a Source on f itself, or on a converted copy of it.
func read(ctx context.Context, f *os.File, ext string, o Options) (*Source, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	format, err := sniff(f, st.Size())
	if err != nil {
		return nil, err
	}
	if format == "raw" {
		if err := checkName(ext); err != nil {
			return nil, err
		}
		if err := confirmRaw(ctx, f, ext); err != nil {
			return nil, err
		}
		return newSource(f, format)
	}
	image, err := still(ctx, f, o)
	if err != nil {
		return nil, err
	}
	defer image.done()
	if st, err = image.Stat(); err != nil {
		return nil, err
	}
	// Again: what was looked at first may have been changed since.
	if now, err := sniff(image, st.Size()); err != nil || now != format {
		return nil, errors.Join(errors.New("it changes while it is read"), err)
	}
	raw, err := convert(ctx, image, format, o)
	if err != nil {
		return nil, err
	}
	s, err := newSource(raw, format)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return s, nil
}

// checkName refuses a file without any magic whose name promises one. It would
// pass for a raw disk, and is more often the web page that was downloaded in
// the image's place, or an image whose beginning was overwritten.
func checkName(ext string) error {
	if !slices.Contains([]string{".qcow2", ".vmdk", ".vhd", ".vhdx"}, ext) {
		return nil
	}
	return fmt.Errorf("its name ends in %s, but its contents do not begin like that: look at what it is, or name it .raw if it is a raw disk", ext)
}

// newSource checks that f holds a whole disk.
func newSource(f *os.File, format string) (*Source, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() == 0 || st.Size()%block.SectorSize != 0 {
		return nil, fmt.Errorf("its size of %d bytes is no multiple of %d: no disk has such a size, the copy was probably cut short", st.Size(), block.SectorSize)
	}
	if err := checkPartitions(f, st.Size()); err != nil {
		return nil, err
	}
	return &Source{f: f, size: st.Size(), format: format}, nil
}

// Size is the number of bytes of the disk, a multiple of block.SectorSize.
func (s *Source) Size() int64 { return s.size }

// Format is what the image was: "raw", "qcow2", "vmdk", "vpc" (VHD), "vhdx".
func (s *Source) Format() string { return s.format }

// ReadAt reads from the disk.
func (s *Source) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

// Close gives back the file, and the space of a converted image.
func (s *Source) Close() error { return s.f.Close() }

// Extent is the next piece of the disk that may hold data and ends after off;
// io.EOF when only zeros follow. Its ends are multiples of block.SectorSize.
func (s *Source) Extent(off int64) (start, end int64, err error) {
	fd := int(s.f.Fd())
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return 0, 0, io.EOF
	case errors.Is(err, unix.EINVAL): // a file system that knows no holes
		start, end = off, s.size
	case err != nil:
		return 0, 0, fmt.Errorf("find data at %d: %w", off, err)
	default:
		if end, err = unix.Seek(fd, start, unix.SEEK_HOLE); err != nil {
			return 0, 0, fmt.Errorf("find hole after %d: %w", start, err)
		}
	}
	start -= start % block.SectorSize
	end = min(s.size, (end+block.SectorSize-1)/block.SectorSize*block.SectorSize)
	if start >= end { // the file grew beyond the size that it had
		return 0, 0, io.EOF
	}
	return start, end, nil
}
