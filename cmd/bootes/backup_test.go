package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/needs"
)

// only fails unless dir holds one file of that name and content.
func only(t *testing.T, dir, name, content string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Name() != name {
		t.Fatalf("the folder holds %v, want only %s", all, name)
	}
	if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != content {
		t.Errorf("%s: %q, %v; want %q", name, b, err, content)
	}
}

func exports(content string, err error) func(context.Context, api.Export, func(api.Progress)) error {
	return func(_ context.Context, job api.Export, _ func(api.Progress)) error {
		_, werr := job.File.WriteString(content)
		return errors.Join(werr, err)
	}
}

func TestExport(t *testing.T) {
	w := newLab()
	w.onExport = func(ctx context.Context, j api.Export, p func(api.Progress)) error {
		w.call(j.Disk, j.Format)
		return exports("the disk", nil)(ctx, j, p)
	}
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	dir := t.TempDir()
	path := filepath.Join(dir, "out.QCOW2")
	out, errs, code := bootes(t, "volume", "export", "pc01@monday", path)
	if want := "exported pc01@monday to " + path + ": qcow2, a disk of 4 GiB\n"; code != 0 || errs != "" || out != want {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	only(t, dir, "out.QCOW2", "the disk")
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", st.Mode(), err)
	}

	w.set(func() { w.onExport = exports("another", nil) })
	_, errs, code = bootes(t, "image", "export", "debian:12", path)
	if want := `bootes: export: "` + path + `" exists: name another file, or --force replaces it` + "\n"; code != exitRefused || errs != want {
		t.Errorf("over a file: code %d, %s", code, errs)
	}
	only(t, dir, "out.QCOW2", "the disk")
	if out, errs, code := bootes(t, "image", "export", "debian:12", path, "--force", "--format", "vmdk", "-o", "json"); code != 0 || errs != "" ||
		out != "{\n  \"file\": \""+path+"\",\n  \"format\": \"vmdk\",\n  \"size\": 4294967296\n}\n" {
		t.Errorf("--force: code %d\n%s%s", code, out, errs)
	}
	only(t, dir, "out.QCOW2", "another")

	w.set(func() { w.onExport = exports("half", api.Errorf(api.NoSpace, "disk full")) })
	_, errs, code = bootes(t, "image", "export", "debian:12", path, "--force")
	if code != exitNoSpace || !strings.Contains(errs, "disk full") {
		t.Errorf("that fails: code %d, %s", code, errs)
	}
	only(t, dir, "out.QCOW2", "another")
}

func TestExportOverAFileThatAppears(t *testing.T) {
	w := newLab()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.raw")
	w.onExport = func(context.Context, api.Export, func(api.Progress)) error {
		return os.WriteFile(path, []byte("precious"), 0o600)
	}
	_, errs, code := bootes(t, "image", "export", "debian:12", path, "--socket", serveWorld(t, w))
	if code != exitRefused || !strings.Contains(errs, "exists") {
		t.Errorf("code %d, %s", code, errs)
	}
	only(t, dir, "x.raw", "precious")
}

func TestInterruptedStreams(t *testing.T) {
	w := newLab()
	ended := make(chan error, 1)
	var interrupt context.CancelFunc
	wait := func(ctx context.Context) error {
		as(w, &interrupt)()
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	w.onExport = func(ctx context.Context, _ api.Export, _ func(api.Progress)) error { return wait(ctx) }
	w.onBackup = func(ctx context.Context, _ api.Backup, _ func(api.Progress)) error { return wait(ctx) }
	w.onRestore = func(ctx context.Context, _ api.Restore, _ func(api.Progress)) error { return wait(ctx) }
	socket := serveWorld(t, w)
	dir := t.TempDir()
	backup := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(backup, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"volume", "export", "pc01", dir + "/x"}, {"volume", "backup", "pc01", dir + "/x"}, {"volume", "restore", "pc01", backup},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		w.set(func() { interrupt = cancel })
		out, errs, code := bootesUntil(ctx, append(args, "--socket", socket)...)
		if code != exitInterrupted || out != "" || errs != "bootes: interrupted\n" {
			t.Errorf("%v: code %d\n%s%s", args, code, out, errs)
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%v: the server goes on", args)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v leaves %v, %v", args, left, err)
		}
	}
}

func TestBackupToFile(t *testing.T) {
	w := newLab()
	shown := make(chan struct{})
	w.onBackup = func(_ context.Context, job api.Backup, progress func(api.Progress)) error {
		w.call(job.Disk, job.Since)
		progress(api.Progress{Done: 1 << 20, Total: 4 << 20})
		select {
		case <-shown:
		case <-time.After(10 * time.Second):
		}
		_, err := io.WriteString(job.To, "the backup")
		return err
	}
	socket := serveWorld(t, w)
	dir := t.TempDir()
	path := filepath.Join(dir, "pc01")
	var out bytes.Buffer
	errs := &until{text: "4 MiB\n", done: func() { close(shown) }}
	a := &app{out: &out, errs: errs, now: func() time.Time { return now }}
	code := a.run(t.Context(), []string{"volume", "backup", "pc01@friday", path, "--since", "monday", "--socket", socket})
	want := "backed up pc01@friday to " + path + ": 10 B, what has changed since monday\n"
	if code != 0 || out.String() != want || errs.b.String() != "backing up pc01@friday   25 %  1 MiB of 4 MiB\n" {
		t.Errorf("code %d\n%s%s", code, &out, &errs.b)
	}
	only(t, dir, "pc01", "the backup")
	if got := w.called(); len(got) != 2 || got[0] != (api.Disk{Volume: "0f3a-1111-aaaa", Snapshot: "friday"}) || got[1] != "monday" {
		t.Errorf("the job: %+v", got)
	}
	_, text, code := bootes(t, "volume", "backup", "pc01", path, "--socket", socket)
	if want := `bootes: back up: "` + path + `" exists: name another file, or --force replaces it` + "\n"; code != exitRefused || text != want {
		t.Errorf("over a file: code %d, %s", code, text)
	}
}

// through runs a command line whose standard output is a pipe.
func through(t *testing.T, read func(io.Reader), args ...string) (errs string, code int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); read(r); r.Close() }()
	var e bytes.Buffer
	a := &app{in: os.Stdin, out: w, errs: &e, now: func() time.Time { return now }}
	code = a.run(t.Context(), args)
	w.Close()
	<-done
	return e.String(), code
}

func TestBackupToPipe(t *testing.T) {
	w := newLab()
	const much = 1 << 20
	w.onBackup = func(_ context.Context, job api.Backup, _ func(api.Progress)) error {
		_, err := job.To.Write(make([]byte, much))
		return err
	}
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	var n int64
	count := func(r io.Reader) { n, _ = io.Copy(io.Discard, r) }
	errs, code := through(t, count, "volume", "backup", "pc01", "-")
	if code != 0 || n != much || errs != "backed up pc01 to standard output: 1 MiB, all of it\n" {
		t.Errorf("code %d, %d bytes\n%s", code, n, errs)
	}
	errs, code = through(t, count, "volume", "backup", "pc01", "-", "-o", "json", "--since", "image")
	if code != 0 || n != much || !strings.Contains(errs, `"since": "image"`) {
		t.Errorf("-o json: code %d, %d bytes\n%s", code, n, errs)
	}
	errs, code = through(t, func(io.Reader) {}, "volume", "backup", "pc01", "-")
	if code != exitFailure || errs != "bootes: whoever read the pipe has gone\n" {
		t.Errorf("a reader that goes: code %d, %s", code, errs)
	}
	if errs, code := through(t, count, "volume", "backup", "pc01", "/dev/null"); code != 0 || errs != "" {
		t.Errorf("/dev/null: code %d, %s", code, errs)
	}
}

func TestRestore(t *testing.T) {
	w := newLab()
	w.onRestore = func(_ context.Context, job api.Restore, _ func(api.Progress)) error {
		b, err := io.ReadAll(job.From)
		if string(b) != "the backup" {
			err = errors.Join(err, api.Errorf(api.Invalid, "%q is no backup", b))
		}
		return err
	}
	socket := serveWorld(t, w)
	path := filepath.Join(t.TempDir(), "pc01")
	if err := os.WriteFile(path, []byte("the backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := bootes(t, "volume", "restore", "pc01", path, "--force", "--socket", socket)
	if want := "restored pc01 from " + path + ": 4 GiB, volume 7abc-1234-5678\nlost: 5 MiB that it had written\nkept: no snapshots\n"; code != 0 || errs != "" || out != want {
		t.Errorf("from a file: code %d\n%s%s", code, out, errs)
	}
	r, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { io.WriteString(pw, "the backup"); pw.Close() }()
	var o, e bytes.Buffer
	a := &app{in: r, out: &o, errs: &e, now: time.Now}
	code = a.run(t.Context(), []string{"volume", "restore", "pc02", "-", "--socket", socket})
	if want := "restored pc02 from standard input: 4 GiB, volume 7abc-1234-5678\n"; code != 0 || o.String() != want {
		t.Errorf("from a pipe: code %d\n%s%s", code, &o, &e)
	}
}

// What is binary is kept from terminals.
func TestTerminals(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		needs.Skip(t, "needs a terminal: %v", err)
	}
	defer tty.Close()
	w := newLab()
	socket := serveWorld(t, w)
	said := func(args ...string) (string, int) {
		var e bytes.Buffer
		a := &app{in: tty, out: tty, errs: &e, now: time.Now}
		code := a.run(t.Context(), append(args, "--socket", socket))
		return e.String(), code
	}
	for _, content := range []string{"\x7fELF", "text \x1b[2J", "nul\x00", "\u009b2J"} {
		w.set(func() { w.content = content })
		errs, code := said("volume", "cat", "pc01:/bin/ls")
		if want := "bootes: the file is binary, which a terminal does not take: write it to a file with > FILE, or look at it with | less\n"; code != exitUsage || errs != want {
			t.Errorf("%q: code %d, %s", content, code, errs)
		}
	}
	w.set(func() { w.content = "Boötes, 12\t€\r\n" })
	if errs, code := said("image", "cat", "debian:12:/etc/motd"); code != 0 || errs != "" {
		t.Errorf("text: code %d, %s", code, errs)
	}
	errs, code := said("volume", "backup", "pc01", "-")
	if code != exitUsage || !strings.Contains(errs, "standard output is a terminal") {
		t.Errorf("backup: code %d, %s", code, errs)
	}
	errs, code = said("volume", "restore", "pc01", "-")
	want := "bootes: restore: standard input is a terminal: name a file, or read a backup from a pipe: ssh nas cat FILE | bootes volume restore MACHINE -\n"
	if code != exitUsage || errs != want {
		t.Errorf("restore: code %d, %s", code, errs)
	}
}
