package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

func diskFile(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// openFiles counts this process's descriptors of path.
func openFiles(t *testing.T, path string) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == path {
			n++
		}
	}
	return n
}

func TestImportPassesTheOpenFile(t *testing.T) {
	f := newFake()
	jobs, contents, shown := make(chan Import, 1), make(chan []byte, 1), make(chan struct{})
	f.onImport = func(_ context.Context, j Import, progress func(Progress)) (Image, error) {
		jobs <- j
		progress(Progress{Step: "convert", Done: 1, Total: 2})
		select {
		case <-shown:
		case <-time.After(10 * time.Second):
		}
		content, err := os.ReadFile(j.Path)
		contents <- content
		return Image{Ref: j.Ref, Size: int64(len(content))}, err
	}
	c, stop := serve(t, f)
	file := diskFile(t, "the disk")
	// The name is gone: what the server reads can only be the descriptor.
	if err := os.Remove(file.Name()); err != nil {
		t.Fatal(err)
	}
	var seen []Progress
	i, err := c.Import(t.Context(), file, ImportRequest{Ref: "a:1", Source: "/home/me/disk.raw", Identity: true}, func(p Progress) {
		seen = append(seen, p)
		close(shown)
	})
	if err != nil || i.Ref != "a:1" || i.Size != 8 {
		t.Fatalf("import: %+v, %v", i, err)
	}
	if content := <-contents; string(content) != "the disk" {
		t.Errorf("the server read %q", content)
	}
	if job := <-jobs; job.Ref != "a:1" || job.Source != "/home/me/disk.raw" || !job.Identity {
		t.Errorf("the job: %+v", job)
	}
	if len(seen) != 1 || seen[0] != (Progress{Step: "convert", Done: 1, Total: 2}) {
		t.Errorf("progress: %+v", seen)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := openFiles(t, file.Name()+" (deleted)"); n != 1 {
		t.Errorf("%d descriptors of the file are open, want only the test's own", n)
	}
}

func TestImportErrors(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	file := diskFile(t, "x")
	req := ImportRequest{Ref: "a:1", Source: "/home/me/disk.raw"}
	for name, tt := range map[string]struct {
		late bool // fails after its progress was sent
		err  error
		kind Kind
		want string
	}{
		"at once":   {false, Errorf(Conflict, "image a:1 exists"), Conflict, "image a:1 exists"},
		"late":      {true, fmt.Errorf("import image: %w", Errorf(NoSpace, "disk full")), NoSpace, "import image: disk full"},
		"of a file": {true, Errorf(Invalid, "read PATH: truncated"), Invalid, "read /home/me/disk.raw: truncated"},
	} {
		f.set(func() {
			f.onImport = func(_ context.Context, j Import, progress func(Progress)) (Image, error) {
				if tt.late {
					progress(Progress{Done: 1})
					time.Sleep(3 * tick / 2)
				}
				if strings.Contains(tt.err.Error(), "PATH") {
					return Image{}, Errorf(Invalid, "%s", strings.ReplaceAll(tt.err.Error(), "PATH", j.Path))
				}
				return Image{}, tt.err
			}
		})
		_, err := c.Import(t.Context(), file, req, nil)
		var e *Error
		if !errors.As(err, &e) || e.Kind() != tt.kind || e.Detail != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := c.Import(t.Context(), file, ImportRequest{Source: "/x"}, nil)
	if err == nil || err.Error() != "validation failed: body.ref: expected length >= 1" {
		t.Errorf("no ref: %v", err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := c.Import(t.Context(), dir, req, nil); err == nil || err.Error() != `import "/home/me/disk.raw": not a regular file` {
		t.Errorf("a folder: %v", err)
	}
	err = c.call(t.Context(), http.MethodPost, "/v1/images", ImportRequest{Ref: "a:1", Source: "/x", Passed: true}, nil)
	if err == nil || err.Error() != `import "/x": no descriptor came with the request` {
		t.Errorf("no descriptor: %v", err)
	}
}

// cancelled is an import that ends only when it is told to.
func cancelled(began, ended chan<- struct{}) func(context.Context, Import, func(Progress)) (Image, error) {
	return func(ctx context.Context, _ Import, _ func(Progress)) (Image, error) {
		close(began)
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond) // it tidies up
		close(ended)
		return Image{}, ctx.Err()
	}
}

func TestClientThatGoesCancelsItsImport(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	began, ended := make(chan struct{}), make(chan struct{})
	f.set(func() { f.onImport = cancelled(began, ended) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := c.Import(ctx, diskFile(t, "x"), ImportRequest{Ref: "a:1", Source: "/x"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("import: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the import goes on without its client")
	}
}

func TestServerThatEndsCancelsImportsAndWaitsForThem(t *testing.T) {
	f := newFake()
	c, stop := serve(t, f)
	began, ended := make(chan struct{}), make(chan struct{})
	f.set(func() { f.onImport = cancelled(began, ended) })
	go func() {
		<-began
		stop()
		select {
		case <-ended:
		default:
			t.Error("Serve returned before the import had ended")
		}
	}()
	_, err := c.Import(t.Context(), diskFile(t, "x"), ImportRequest{Ref: "a:1", Source: "/x"}, nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind() != Unavailable || e.Detail != `import "/x": cancelled; nothing of it is left` {
		t.Errorf("import: %v", err)
	}
	stop()
}

func TestRootMayNameAPath(t *testing.T) {
	needs.Root(t, "name a path")
	f := newFake()
	f.onImport = func(_ context.Context, j Import, _ func(Progress)) (Image, error) {
		b, err := os.ReadFile(j.Path)
		return Image{Ref: string(b)}, err
	}
	c, _ := serve(t, f)
	file := diskFile(t, "content")
	resp, err := c.send(t.Context(), c.http, http.MethodPost, "/v1/images", ImportRequest{Ref: "a:1", Source: file.Name()})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(string(b), `{"result":{"ref":"content"`) {
		t.Errorf("%s, %v", b, err)
	}
}
