package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// passed returns the descriptor that came with the request. It can be read
// (flag os.O_RDONLY), written (os.O_WRONLY) or both (os.O_RDWR).
func passed(ctx context.Context, task string, flag int) (*os.File, fs.FileMode, error) {
	c := connOf(ctx)
	if c == nil {
		return nil, 0, Errorf(Forbidden, "%s: only over the unix socket", task)
	}
	f := c.take()
	if f == nil {
		return nil, 0, Errorf(Invalid, "%s: no descriptor came with the request", task)
	}
	st, err := f.Stat()
	if err == nil {
		err = checkAccess(f, flag)
	}
	if err != nil {
		f.Close()
		return nil, 0, Errorf(Invalid, "%s: %w", task, err)
	}
	return f, st.Mode(), nil
}

// checkAccess asks the descriptor, not the file: the server may open any file
// by the descriptor's name, its client may not.
func checkAccess(f *os.File, flag int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var has int
	var fcntlErr error
	err = raw.Control(func(fd uintptr) { has, fcntlErr = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err := errors.Join(err, fcntlErr); err != nil {
		return err
	}
	if has&unix.O_PATH != 0 {
		return errors.New("it was opened as a path only (O_PATH), which gives no right to its contents")
	}
	switch has &= unix.O_ACCMODE; {
	case has == os.O_RDWR || has == flag:
		return nil
	case flag == os.O_RDONLY:
		return errors.New("it was not opened for reading")
	case flag == os.O_WRONLY:
		return errors.New("it was not opened for writing")
	}
	return errors.New("it was not opened for reading and writing")
}

// passedFile returns a regular file.
func passedFile(ctx context.Context, task string, flag int) (*os.File, error) {
	f, mode, err := passed(ctx, task, flag)
	if err != nil {
		return nil, err
	}
	if !mode.IsRegular() {
		f.Close()
		return nil, Errorf(Invalid, "%s: not a regular file", task)
	}
	return f, nil
}

// pathOf names an open file for any program of this computer: of this process
// by number, not "self", as qemu-img opens it too.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

// passedStream returns a regular file or a pipe.
func passedStream(ctx context.Context, task string, flag int) (*flow, error) {
	f, mode, err := passed(ctx, task, flag)
	if err != nil {
		return nil, err
	}
	switch {
	case mode.IsRegular():
		return &flow{f: f}, nil
	case mode.Type() != fs.ModeNamedPipe:
		f.Close()
		return nil, Errorf(Invalid, "%s: neither a regular file nor a pipe", task)
	}
	defer f.Close()
	own, err := reopen(f, flag)
	if errors.Is(err, unix.ENXIO) {
		err = errReaderGone
	}
	if err != nil {
		return nil, Errorf(Internal, "%s: %w", task, err)
	}
	return &flow{f: own}, nil
}

// reopen opens a pipe once more. What opens it here can be made not to block,
// which lets a task end; the one that was passed is shared with the client
// and with who knows whom.
func reopen(f *os.File, flag int) (own *os.File, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	ctlErr := raw.Control(func(fd uintptr) {
		own, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), flag|unix.O_NONBLOCK, 0)
	})
	return own, errors.Join(err, ctlErr)
}

var errReaderGone = errors.New("whoever read the pipe has gone")

// flow reads or writes a passed file or pipe for one task, and counts.
type flow struct {
	f   *os.File
	ctx context.Context
	n   int64
}

// until makes reads and writes fail once ctx has ended, those that wait for
// the other end of a pipe too.
func (p *flow) until(ctx context.Context) (stop func() bool) {
	p.ctx = ctx
	return context.AfterFunc(ctx, func() { _ = p.f.SetDeadline(time.Unix(1, 0)) }) // a regular file has none, and does not wait
}

func (p *flow) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.f.Read(b)
	return p.moved(n, err)
}

func (p *flow) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.f.Write(b)
	return p.moved(n, err)
}

// moved counts, and takes the server's own name of the file out of errors.
func (p *flow) moved(n int, err error) (int, error) {
	p.n += int64(n)
	var path *fs.PathError
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case p.ctx.Err() != nil:
		err = p.ctx.Err()
	case errors.Is(err, syscall.EPIPE):
		err = Errorf(Internal, "%w", errReaderGone)
	case errors.As(err, &path):
		err = path.Err
	}
	return n, err
}
