package api

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// passable tells whether the server takes f itself. It takes files and pipes;
// sshd, for one, gives sockets to its commands. A pipe with a name (a FIFO) is
// pumped: its owner's rights to it are not ours to change.
func passable(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	return st.Mode().IsRegular() || nameless(f) && admit(f) == nil, nil
}

// nameless reports whether f is a pipe that is in no folder.
func nameless(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var on unix.Statfs_t
	ctlErr := raw.Control(func(fd uintptr) { err = unix.Fstatfs(int(fd), &on) })
	return err == nil && ctlErr == nil && on.Type == unix.PIPEFS_MAGIC
}

// admit lets the server, which runs as another user, open a nameless pipe once
// more, and nobody who could not trace this process.
func admit(pipe *os.File) error { return pipe.Chmod(0o666) }

// openPipe is os.Pipe for one end to be passed.
func openPipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if err := admit(r); err != nil {
		return nil, nil, errors.Join(err, r.Close(), w.Close())
	}
	return r, w, nil
}

// outlet returns what to pass for f: itself, or a pipe that is copied to it
// until finish.
func outlet(ctx context.Context, f *os.File) (pass *os.File, finish func() error, err error) {
	direct, err := passable(f)
	if direct || err != nil {
		return f, func() error { return nil }, err
	}
	r, w, err := openPipe()
	if err != nil {
		return nil, nil, err
	}
	copied := pump(f, r, r)
	return w, func() error {
		w.Close() // the server's is closed too: the pump comes to an end
		select {
		case err := <-copied:
			return err
		case <-ctx.Done(): // whoever reads f may have stopped to
			return ctx.Err()
		}
	}, nil
}

// inlet returns what to pass for f: itself, or a pipe that it is copied to.
func inlet(f *os.File) (pass *os.File, finish func(), err error) {
	direct, err := passable(f)
	if direct || err != nil {
		return f, func() {}, err
	}
	r, w, err := openPipe()
	if err != nil {
		return nil, nil, err
	}
	pump(w, f, w) // nobody waits for it: only its other end can end a read of f
	return r, func() { r.Close() }, nil
}

// pump copies until the end, and closes the end of a pipe that it has.
func pump(to io.Writer, from io.Reader, pipe io.Closer) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, from)
		done <- errors.Join(err, pipe.Close())
	}()
	return done
}
