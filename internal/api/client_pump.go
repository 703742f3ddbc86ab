package api

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// passable tells whether the server takes f itself. It takes files and pipes;
// sshd, for one, gives sockets to its commands.
func passable(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	return st.Mode().IsRegular() || st.Mode().Type() == fs.ModeNamedPipe, nil
}

// outlet returns what to pass for f: itself, or a pipe that is copied to it
// until finish.
func outlet(ctx context.Context, f *os.File) (pass *os.File, finish func() error, err error) {
	direct, err := passable(f)
	if direct || err != nil {
		return f, func() error { return nil }, err
	}
	r, w, err := os.Pipe()
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
	r, w, err := os.Pipe()
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
