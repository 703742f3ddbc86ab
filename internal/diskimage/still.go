package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// stillImage is an image that nobody can change while qemu-img is at work.
// Whoever gave it to us may have it open for writing, and could make it refer to
// another file between our look at it and qemu-img's.
//
// A read lease (fcntl(2), F_SETLEASE) sees to that: there is none while the file
// is open for writing, and whoever opens it so afterwards is kept waiting. Where
// there can be no lease, the image is a copy without a name.
type stillImage struct {
	*os.File
	leased bool
}

func still(ctx context.Context, f *os.File, o Options) (*stillImage, error) {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err == nil {
		return &stillImage{f, true}, nil
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if held := st.Sys().(*syscall.Stat_t).Blocks * 512; o.Room != nil {
		if err := o.Room(st.Size(), min(held, st.Size())); err != nil {
			return nil, &hostError{fmt.Sprintf("copy it to %q", o.TmpDir), err}
		}
	}
	to, err := tempFile(o.TmpDir)
	if err == nil {
		to, err = renamed(to, f.Name())
	}
	if err != nil {
		return nil, &hostError{"make a temporary file", err}
	}
	from := &Source{f: f, size: st.Size()}
	w := rawWriter{ctx: ctx, disk: from, out: to, what: fmt.Sprintf("copy it to %q", o.TmpDir), progress: func(done, total int64) {}}
	if err := w.write(from.runs); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return &stillImage{to, false}, nil
}

// unchanged fails once somebody wants to write to the image, who is kept waiting
// for 45 seconds at most (proc(5), lease-break-time): qemu-img opens all that it
// opens long before.
func (s *stillImage) unchanged() error {
	if !s.leased {
		return nil
	}
	if kind, err := unix.FcntlInt(s.Fd(), unix.F_GETLEASE, 0); err != nil || kind != unix.F_RDLCK {
		return errors.Join(errors.New("another program opens it for writing: an image must stay as it is while it is read"), err)
	}
	return nil
}

// done lets the image go; the file that it was made of stays open.
func (s *stillImage) done() {
	if s.leased {
		_, _ = unix.FcntlInt(s.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return
	}
	s.Close()
}

// renamed is f with another name for messages.
func renamed(f *os.File, name string) (*os.File, error) {
	defer f.Close()
	return duplicate(f, name)
}

func duplicate(f *os.File, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// headOf is a copy of the beginning of image, for a program that guesses what it
// is: nobody can change it meanwhile.
func headOf(image *os.File) (*os.File, error) {
	fd, err := unix.MemfdCreate("head", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	head := os.NewFile(uintptr(fd), image.Name())
	if _, err := io.Copy(head, io.NewSectionReader(image, 0, 1<<20)); err != nil {
		return nil, errors.Join(err, head.Close())
	}
	return head, nil
}
