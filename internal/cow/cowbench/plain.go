package cowbench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// plain is the file that everything is compared with, by bare system calls.
type plain struct {
	f  *os.File // owns fd
	fd int
}

func (r *room) plain(name string, size int64) (*plain, error) {
	f, err := os.Create(r.path(name))
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	return &plain{f, int(f.Fd())}, nil
}

func (p *plain) ReadAt(b []byte, off int64) (int, error)  { return unix.Pread(p.fd, b, off) }
func (p *plain) WriteAt(b []byte, off int64) (int, error) { return unix.Pwrite(p.fd, b, off) }
func (p *plain) Flush() error                             { return unix.Fdatasync(p.fd) }
func (p *plain) Close() error                             { return p.f.Close() }
func (p *plain) remove() error                            { return errors.Join(p.Close(), os.Remove(p.f.Name())) }

// manyPlain are plain files that together are what a chain of layers is: each
// block is in one of them. Their number is what costs, not whose they are.
type manyPlain struct {
	files []*plain
	in    []uint8 // file of each block
}

func (b *bench) manyFiles(r *room, size int64, depth int) (*manyPlain, error) {
	m := &manyPlain{in: make([]uint8, size/blockSize)}
	changes := strewn(size)
	for i := range depth {
		p, err := r.plain(fmt.Sprint("plain-", i), size)
		if err != nil {
			return m, err
		}
		m.files = append(m.files, p)
		if i == 0 {
			err = fill(p, size)
		} else {
			for _, x := range changes(i - 1) {
				m.in[x.off/blockSize], m.in[x.off/blockSize+1] = uint8(i), uint8(i)
			}
			err = change(p, changes(i-1))
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func (m *manyPlain) file(off int64) *plain { return m.files[m.in[off/blockSize]] }

func (m *manyPlain) ReadAt(b []byte, off int64) (int, error)  { return m.file(off).ReadAt(b, off) }
func (m *manyPlain) WriteAt(b []byte, off int64) (int, error) { return m.file(off).WriteAt(b, off) }

func (m *manyPlain) Flush() (err error) {
	for _, p := range m.files {
		err = errors.Join(err, p.Flush())
	}
	return err
}

func (m *manyPlain) Close() (err error) {
	for _, p := range m.files {
		err = errors.Join(err, p.Close())
	}
	return err
}

// fill writes the first size bytes, a MiB at a time.
func fill(d disk, size int64) error {
	p := pattern(1 << 20)
	for off := int64(0); off < size; off += int64(len(p)) {
		if _, err := d.WriteAt(p, off); err != nil {
			return err
		}
	}
	return d.Flush()
}

// put writes single blocks.
func put(d disk, blocks []int64) error {
	p := pattern(blockSize)
	for _, x := range blocks {
		if _, err := d.WriteAt(p, x*blockSize); err != nil {
			return err
		}
	}
	return d.Flush()
}

// files calls fn with each file below dir, open for reading.
func files(dir string, fn func(f *os.File) error) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return fn(f)
	})
}

// evict has the background come to rest, whose digests read whole images, and
// empties the page cache of all that is in a room.
func (b *bench) evict(r *room) error { return errors.Join(r.eng.Settle(b.ctx), evict(r.dir)) }

// evict drops what the page cache holds of the files below dir.
func evict(dir string) error {
	return files(dir, func(f *os.File) error {
		if err := f.Sync(); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// cached is how many bytes of the files below dir the page cache holds.
func cached(dir string) (sum int64, err error) {
	err = files(dir, func(f *os.File) error {
		var st unix.Cachestat_t
		if err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{}, &st, 0); err != nil {
			return fmt.Errorf("cachestat (Linux 6.5 or newer): %w", err)
		}
		sum += int64(st.Cache) * int64(os.Getpagesize())
		return nil
	})
	return sum, err
}

// occupied is what a folder takes on the disk, its entries included.
func occupied(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return &os.PathError{Op: "stat", Path: name, Err: err}
		}
		sum += st.Blocks * 512
		return nil
	})
	return sum, err
}
