package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExportWritesThePassedFile(t *testing.T) {
	f := newFake()
	jobs := make(chan Export, 2)
	f.onExport = func(_ context.Context, job Export, progress func(Progress)) error {
		jobs <- job
		progress(stage)
		if _, err := job.File.WriteAt([]byte("the "), 0); err != nil {
			return err
		}
		byPath, err := os.OpenFile(job.Path, os.O_WRONLY, 0) // as qemu-img does
		if err != nil {
			return err
		}
		defer byPath.Close()
		_, err = byPath.WriteAt([]byte("disk"), 4)
		return err
	}
	c, stop := serve(t, f)
	file := emptyFile(t)
	if err := os.Remove(file.Name()); err != nil { // what the server writes to can only be the descriptor
		t.Fatal(err)
	}
	e, err := c.ExportVolume(t.Context(), "v1", file, ExportRequest{Snapshot: "s", Format: "vhd", Target: "out.vhd"}, nil)
	if err != nil || e != (Exported{File: "out.vhd", Format: "vhd", Size: 4 << 30}) {
		t.Errorf("export: %+v, %v", e, err)
	}
	if _, err = c.ExportImage(t.Context(), "a:b", file, ExportRequest{Target: "out"}, nil); err != nil {
		t.Error(err)
	}
	if j := <-jobs; j.Disk != (Disk{Volume: "v1", Snapshot: "s"}) || j.Format != "vhd" {
		t.Errorf("the first job: %+v", j)
	}
	if j := <-jobs; j.Disk != (Disk{Image: "a:b"}) || j.Format != "raw" {
		t.Errorf("the second job: %+v", j)
	}
	b := make([]byte, 20)
	if n, _ := file.ReadAt(b, 0); string(b[:n]) != "the disk" {
		t.Errorf("the file holds %q", b[:n])
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := openFiles(t, file.Name()+" (deleted)"); n != 1 {
		t.Errorf("%d descriptors of the file are open, want only the test's own", n)
	}
}

func emptyFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func open(t *testing.T, path string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// sockets returns both ends of what sshd gives to a command.
func sockets(t *testing.T) (command, sshd *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	command, sshd = os.NewFile(uintptr(fds[0]), "command"), os.NewFile(uintptr(fds[1]), "sshd")
	t.Cleanup(func() { command.Close(); sshd.Close() })
	return command, sshd
}

// A descriptor gives the server no more than it gives its client.
func TestDescriptorsThatDoNotSuit(t *testing.T) {
	f := newFake() // whose other functions are nil
	f.onBackup = flood
	c, _ := serve(t, f)
	path := emptyFile(t).Name()
	readable, writable, onlyPath := open(t, path, os.O_RDONLY), open(t, path, os.O_WRONLY), open(t, path, unix.O_PATH)
	r, w := pipe(t)
	command, _ := sockets(t)
	importing := func(f *os.File) error {
		_, err := c.Import(t.Context(), f, ImportRequest{Ref: "a:b", Source: "x"}, nil)
		return err
	}
	exporting := func(f *os.File) error {
		_, err := c.ExportVolume(t.Context(), "v1", f, ExportRequest{Target: "x"}, nil)
		return err
	}
	backing := func(f *os.File) error {
		_, err := pass[BackedUp](t.Context(), c, f, "/v1/volumes/v1/backup", BackupRequest{Target: "x"}, nil)
		return err
	}
	restoring := func(f *os.File) error {
		_, err := pass[Restored](t.Context(), c, f, "/v1/machines/pc01/restore", RestoreRequest{Source: "x"}, nil)
		return err
	}
	const aPath = "it was opened as a path only (O_PATH), which gives no right to its contents"
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"import from a path", importing(onlyPath), `import "x": ` + aPath},
		{"import from what can be written", importing(writable), `import "x": it was not opened for reading`},
		{"import from a pipe", importing(r), `import "x": not a regular file`},
		{"export to a path", exporting(onlyPath), `export "x": ` + aPath},
		{"export to what can be read", exporting(readable), `export "x": it was not opened for reading and writing`},
		{"export to what can be written", exporting(writable), `export "x": it was not opened for reading and writing`},
		{"export to a pipe", exporting(w), `export "x": it was not opened for reading and writing`},
		{"backup to what can be read", backing(readable), `back up to "x": it was not opened for writing`},
		{"backup to the wrong end", backing(r), `back up to "x": it was not opened for writing`},
		{"backup to a socket", backing(command), `back up to "x": neither a regular file nor a pipe`},
		{"restore from a path", restoring(onlyPath), `restore "x": ` + aPath},
		{"restore from the wrong end", restoring(w), `restore "x": it was not opened for reading`},
	} {
		var e *Error
		if !errors.As(tt.err, &e) || e.Kind() != Invalid || e.Detail != tt.want {
			t.Errorf("%s: %v; want %s", tt.name, tt.err, tt.want)
		}
	}
	r.Close()
	if err := backing(w); err == nil || err.Error() != "write backup: whoever read the pipe has gone" {
		t.Errorf("backup to a pipe that nobody reads: %v", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r = open(t, fifo, os.O_RDONLY|unix.O_NONBLOCK)
	w = open(t, fifo, os.O_WRONLY)
	r.Close()
	if err := backing(w); err == nil || err.Error() != `back up to "x": whoever read the pipe has gone` {
		t.Errorf("backup to a named pipe that nobody reads: %v", err)
	}
}

const much = 3 << 20 // more than pipes and sockets hold

// flood is a backup of much bytes.
func flood(_ context.Context, job Backup, _ func(Progress)) error {
	if _, err := job.To.Write(bytes.Repeat([]byte("0123456789abcdef"), much/16)); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func TestBackup(t *testing.T) {
	f := newFake()
	f.onBackup = flood
	c, _ := serve(t, f)
	file := emptyFile(t)
	if _, err := file.WriteString("header:"); err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	command, sshd := sockets(t)
	for name, ends := range map[string][2]*os.File{"file": {file, nil}, "pipe": {w, r}, "socket": {command, sshd}} {
		received := make(chan int64, 1)
		if ends[1] != nil {
			go func() {
				n, _ := io.Copy(io.Discard, ends[1])
				received <- n
			}()
		}
		b, err := c.Backup(t.Context(), "v1", ends[0], BackupRequest{Snapshot: "s", Since: "r", Target: "out"}, nil)
		if want := (BackedUp{Volume: "v1", Snapshot: "s", Since: "r", Target: "out", Written: much}); err != nil || b != want {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
		ends[0].Close()
		if ends[1] == nil {
			continue
		}
		select {
		case n := <-received:
			if n != much {
				t.Errorf("%s: its reader got %d bytes", name, n)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: its reader finds no end: somebody holds the other one", name)
		}
	}
	if b, err := os.ReadFile(file.Name()); err != nil || len(b) != 7+much || string(b[:9]) != "header:01" {
		t.Errorf("the file: %d bytes, %v", len(b), err)
	}
}

func TestBackupWhoseReaderGoes(t *testing.T) {
	f := newFake()
	f.onBackup = flood
	c, _ := serve(t, f)
	r, w := pipe(t)
	command, sshd := sockets(t)
	for name, ends := range map[string][2]*os.File{"pipe": {w, r}, "socket": {command, sshd}} {
		go func() {
			io.ReadFull(ends[1], make([]byte, 100))
			ends[1].Close()
		}()
		_, err := c.Backup(t.Context(), "v1", ends[0], BackupRequest{Target: "out"}, nil)
		var e *Error
		if !errors.As(err, &e) || e.Detail != "write backup: whoever read the pipe has gone" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A backup whose reader stands still ends when its client goes, though the
// client's own descriptor blocks.
func TestBackupWhoseReaderStandsStill(t *testing.T) {
	f := newFake()
	ended := make(chan error, 1)
	f.onBackup = func(ctx context.Context, job Backup, p func(Progress)) error {
		err := flood(ctx, job, p)
		ended <- err
		return err
	}
	c, _ := serve(t, f)
	_, w := pipe(t)
	if err := unix.SetNonblock(int(w.Fd()), false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Backup(ctx, "v1", w, BackupRequest{Target: "out"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client: %v", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the server: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the backup goes on without its client")
	}
}

func TestRestore(t *testing.T) {
	f := newFake()
	jobs, contents := make(chan Restore, 1), make(chan string, 1)
	f.onRestore = func(_ context.Context, j Restore, _ func(Progress)) error {
		b, err := io.ReadAll(j.From)
		jobs <- j
		contents <- string(b)
		return err
	}
	c, _ := serve(t, f)
	file := diskFile(t, "header:the backup")
	if _, err := file.Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	command, sshd := sockets(t)
	for name, ends := range map[string][2]*os.File{"file": {file, nil}, "pipe": {r, w}, "socket": {command, sshd}} {
		if ends[1] != nil {
			go func() {
				io.WriteString(ends[1], "the ")
				time.Sleep(20 * time.Millisecond)
				io.WriteString(ends[1], "backup")
				ends[1].Close()
			}()
		}
		s, err := c.Restore(t.Context(), "pc02", ends[0], RestoreRequest{Source: "in", Force: true}, nil)
		if err != nil || s.Volume.Machine != "pc02" || s.Volume.Snapshots == nil || s.Lost != 5 || s.Read != 10 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if job, got := <-jobs, <-contents; got != "the backup" || job.Machine != "pc02" || !job.Force {
			t.Errorf("%s: the server read %q for %+v", name, got, job)
		}
	}
}

func TestRestoreWhoseWriterStandsStill(t *testing.T) {
	f := newFake()
	ended := make(chan error, 1)
	f.onRestore = func(_ context.Context, j Restore, _ func(Progress)) error {
		_, err := io.ReadAll(j.From)
		ended <- err
		return err
	}
	c, stop := serve(t, f)
	r, _ := pipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Restore(ctx, "pc01", r, RestoreRequest{Source: "in"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the server: %v", err)
	}

	// And when the server ends.
	answer := make(chan error, 1)
	go func() {
		_, err := c.Restore(t.Context(), "pc01", r, RestoreRequest{Source: "in"}, nil)
		answer <- err
	}()
	time.Sleep(50 * time.Millisecond)
	stop()
	err := <-answer
	var e *Error
	if !errors.As(err, &e) || e.Kind() != Unavailable || e.Detail != `restore "in": cancelled; nothing of it is left` {
		t.Errorf("a server that ends: %v", err)
	}
}

// A descriptor that cannot be looked at is told apart from a server's error.
func TestStreamsOfClosedFiles(t *testing.T) {
	c := NewClient("/nowhere")
	f := emptyFile(t)
	f.Close()
	_, err := c.Backup(t.Context(), "v1", f, BackupRequest{Target: "out"}, nil)
	_, err2 := c.Restore(t.Context(), "pc01", f, RestoreRequest{Source: "in"}, nil)
	for _, err := range []error{err, err2} {
		if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), `: `) {
			t.Errorf("closed: %v", err)
		}
	}
}
