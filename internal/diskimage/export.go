package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/diskspace"
)

// Disk is what is exported. It must not change meanwhile.
type Disk interface {
	io.ReaderAt
	Size() int64 // a multiple of block.SectorSize
}

// Runs calls fn for each run of a disk that may hold data, in order; what no
// run covers, and a run that is zero, reads as zeros. An error of fn ends it.
type Runs func(fn func(off, n int64, zero bool) error) error

// ExportOptions say how a disk is written.
type ExportOptions struct {
	Format string // one of ExportFormats; "" is raw
	Name   string // that the file will have, for errors and for a VMDK, which names itself; "": that it has
	// Runs, if not nil, spare reading what is zeros. Called twice.
	Runs   Runs
	TmpDir string // for two copies on the way to a foreign format; made if missing
	// Room, if not nil, is asked before data bytes of a disk of size bytes are
	// written to the file system of TmpDir, so many times, be it for those
	// copies, or because the file is there too; its error is Export's.
	Room func(size, data, times int64) error
	// Progress, if not nil, is told of the bytes done and to do: those of the
	// data, for a foreign format three times.
	Progress func(done, total int64)
}

// exportFormats are the names for people, with qemu-img's arguments.
var exportFormats = []struct {
	name string
	args []string
	max  int64 // bytes of disk
}{
	{"raw", nil, 1<<63 - 1},
	{"qcow2", []string{"-O", "qcow2"}, 1<<63 - 1},
	// Without force_size the disk would grow to the next whole cylinder.
	{"vhd", []string{"-O", "vpc", "-o", "subformat=dynamic,force_size=on"}, maxVHD},
	{"vhd-fixed", []string{"-O", "vpc", "-o", "subformat=fixed,force_size=on"}, maxVHD},
	{"vhdx", []string{"-O", "vhdx"}, 64 << 40},
	{"vmdk", []string{"-O", "vmdk", "-o", "subformat=monolithicSparse"}, 1<<63 - 1},
}

// ExportFormats are the formats that Export writes.
func ExportFormats() []string {
	var names []string
	for _, f := range exportFormats {
		names = append(names, f.name)
	}
	return names
}

// Export replaces the contents of out, a file that is open for writing, by
// disk. Zeros become holes. out is synced, and stays open; when Export fails,
// what it holds is of no use.
//
// ErrNoQemuImg when a foreign format is asked for and the program is missing.
func Export(ctx context.Context, out *os.File, disk Disk, o ExportOptions) error {
	if o.Name == "" {
		o.Name = fileName(out, out.Name())
	}
	if err := export(ctx, out, disk, o); err != nil {
		return fmt.Errorf("write disk image %q: %w", o.Name, err)
	}
	return nil
}

func export(ctx context.Context, out *os.File, disk Disk, o ExportOptions) error {
	i := slices.Index(ExportFormats(), o.Format)
	switch {
	case o.Format == "":
		i = 0
	case i < 0:
		return fmt.Errorf("format %q is none of %s", o.Format, strings.Join(ExportFormats(), ", "))
	case disk.Size() > exportFormats[i].max:
		return fmt.Errorf("a disk of %d GiB is too large for the format %s, which holds %d GiB: choose another", disk.Size()>>30, o.Format, exportFormats[i].max>>30)
	}
	if err := checkOutput(out); err != nil {
		return err
	}
	if o.Runs == nil {
		o.Runs = func(fn func(off, n int64, zero bool) error) error { return fn(0, disk.Size(), false) }
	}
	if o.Progress == nil {
		o.Progress = func(done, total int64) {}
	}
	var data int64
	err := o.Runs(func(off, n int64, zero bool) error {
		if !zero {
			data += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find its data: %w", err)
	}
	args := exportFormats[i].args
	if err := roomToExport(out, disk.Size(), data, args != nil, o); err != nil {
		return err
	}
	if args != nil {
		return exportForeign(ctx, out, disk, args, data, o)
	}
	w := rawWriter{ctx: ctx, disk: disk, out: out, what: "write it", total: data, progress: o.Progress}
	if err := w.write(o.Runs); err != nil {
		return err
	}
	return out.Sync()
}

// checkOutput refuses a descriptor that its owner may not write to, because
// qemu-img opens it again with our rights, and those that cannot be written
// at any place.
func checkOutput(out *os.File) error {
	st, err := out.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("it is not a file: write a file first, and copy that with dd")
	}
	flags, err := unix.FcntlInt(out.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("look at how it is open: %w", err)
	}
	if flags&unix.O_ACCMODE != unix.O_RDWR || flags&unix.O_APPEND != 0 {
		return errors.New("it is not open for reading and writing, or only for appending")
	}
	return nil
}

// roomToExport asks whether data fits beside what the file systems of out and,
// if a copy is made, of o.TmpDir hold.
func roomToExport(out *os.File, size, data int64, copied bool, o ExportOptions) error {
	on, err := diskspace.OfFile(out)
	if err != nil {
		return fmt.Errorf("look at the free space of its file system: %w", err)
	}
	if data > on.Free {
		return &hostError{"write it", fmt.Errorf("the disk holds %d MiB, and the file system has %d MiB free: %w", data>>20, on.Free>>20, unix.ENOSPC)}
	}
	var times int64
	switch {
	case copied: // two at once: the first is gone before the file is written
		times = 2
	case sameFileSystem(out, o.TmpDir):
		times = 1
	}
	if o.Room == nil || times == 0 {
		return nil
	}
	if err := o.Room(size, data, times); err != nil {
		return &hostError{fmt.Sprintf("write it, or convert it in %q", o.TmpDir), err}
	}
	return nil
}

// sameFileSystem also holds for a folder that is still to be made, by the one
// that it will be in.
func sameFileSystem(f *os.File, dir string) bool {
	var a, b unix.Stat_t
	for unix.Stat(dir, &b) != nil {
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
	return unix.Fstat(int(f.Fd()), &a) == nil && a.Dev == b.Dev
}

// exportForeign converts a sparse copy without a name to another one, and copies
// that: qemu-img reads again what it has written, and would follow what the
// owner of out may write there meanwhile to any file of this host.
func exportForeign(ctx context.Context, out *os.File, disk Disk, args []string, data int64, o ExportOptions) error {
	made, err := tempFile(o.TmpDir)
	if err != nil {
		return &hostError{"make a temporary file", err}
	}
	defer made.Close()
	if err := convertTo(ctx, made, disk, args, data, o); err != nil {
		return err
	}
	if slices.Contains(args, "vmdk") {
		if err := nameExtent(made, filepath.Base(o.Name)); err != nil {
			return err
		}
	}
	st, err := made.Stat()
	if err != nil {
		return err
	}
	from := &Source{f: made, size: st.Size()}
	w := rawWriter{ctx: ctx, disk: from, out: out, what: "write it", total: st.Size(), progress: func(done, total int64) {
		o.Progress(2*data+int64(float64(data)*float64(done)/float64(max(total, 1))), 3*data)
	}}
	if err := w.write(from.runs); err != nil {
		return err
	}
	o.Progress(3*data, 3*data)
	return out.Sync()
}

// convertTo makes of disk, in made, what the file is to hold.
func convertTo(ctx context.Context, made *os.File, disk Disk, args []string, data int64, o ExportOptions) error {
	raw, err := tempFile(o.TmpDir)
	if err != nil {
		return &hostError{"make a temporary file", err}
	}
	defer raw.Close()
	what := fmt.Sprintf("convert it in %q", o.TmpDir)
	w := rawWriter{ctx: ctx, disk: disk, out: raw, what: what, total: 3 * data, progress: o.Progress}
	if err := w.write(o.Runs); err != nil {
		return err
	}
	done := w.done
	progress := percent(data, func(d, _ int64) { o.Progress(done+d, 3*data) })
	args = slices.Concat([]string{"convert", "-p"}, args, []string{"-f", "raw", imageFD, outputFD})
	err = qemuImg(ctx, handed{raw, made, "the temporary file", o.Name}, progress, args...)
	if errors.Is(err, unix.ENOSPC) {
		return &hostError{what, err}
	}
	return err
}

// runs calls fn for each piece that may hold data.
func (s *Source) runs(fn func(off, n int64, zero bool) error) error {
	for off := int64(0); off < s.size; {
		start, end, err := s.Extent(off)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(start, end-start, false)
		}
		if err != nil {
			return err
		}
		off = end
	}
	return nil
}
