package httpboot

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// folder makes a folder with files.
func folder(t testing.TB, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func open(root *os.Root, name string) (File, error) { return root.Open(name) }

// mirrors serves one that is full of traps, beside a file that it must not
// give away.
func mirrors(t *testing.T, log *slog.Logger) string {
	t.Helper()
	root := folder(t, map[string]string{
		"in/pool/a b&c.deb": "deb", "in/grubx64.efi": "MZ", "in/rescue.ISO": "iso", "in/disk.img": "img", "in/preseed.cfg": "d-i",
		"in/vmlinuz": "#!ipxe", "in/empty": "", "secret": "secret",
	})
	in := filepath.Join(root.Name(), "in")
	for link, to := range map[string]string{
		"inside": "pool/a b&c.deb", "folder": "pool", "up": "../secret", "absolute": filepath.Join(root.Name(), "secret"),
		"dangling": "nothing", "loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(in, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(in, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	inRoot, err := os.OpenRoot(in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inRoot.Close() })
	return serve(t, Options{Mirrors: map[string]*os.Root{"m": inRoot}, Log: log}) + "/files/"
}

func TestMirror(t *testing.T) {
	base := mirrors(t, nil)
	for _, tt := range []struct {
		path        string
		code        int
		kind, wants string
	}{
		{"m/grubx64.efi", 200, "application/efi", "MZ"},
		{"m/rescue.ISO", 200, "application/vnd.efi-iso", "iso"},
		{"m/disk.img", 200, "application/vnd.efi-img", "img"},
		{"m/preseed.cfg", 200, "text/plain; charset=utf-8", "d-i"},
		{"m/vmlinuz", 200, "application/octet-stream", "#!ipxe"},
		{"m/empty", 200, "application/octet-stream", ""},
		{"m/pool/a%20b&c.deb", 200, "application/octet-stream", "deb"},
		{"m/inside", 200, "application/octet-stream", "deb"},
		{"m/folder/a%20b&c.deb", 200, "application/octet-stream", "deb"},
		{"m/folder", 200, "text/html; charset=utf-8", `<a href="./a%20b&amp;c.deb">a b&amp;c.deb</a>`},
		{"m", 200, "text/html; charset=utf-8", `<a href="./pool/">pool/</a>`},
		{"m/../m/pool/", 200, "text/html; charset=utf-8", "<title>/files/m/pool/</title>"},
		{"m/up", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/absolute", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/dangling", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/loop", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/none", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/vmlinuz/", 200, "application/octet-stream", "#!ipxe"},
		{"m/vmlinuz/x", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/..%2fsecret", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/pool%2f..%2f..%2fsecret", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/%00", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/" + strings.Repeat("x", 300), 404, "text/plain; charset=utf-8", "no such file"},
		{"other/vmlinuz", 404, "text/plain; charset=utf-8", "no such file"},
		{"m/pipe", 403, "text/plain; charset=utf-8", "access denied"},
	} {
		code, h, body := get(t, "GET", base+tt.path)
		if code != tt.code || h.Get("Content-Type") != tt.kind || !strings.Contains(body, tt.wants) || strings.Contains(body, "secret\n") || body == "secret" {
			t.Errorf("GET %s = %d %s %q, want %d %s %q", tt.path, code, h.Get("Content-Type"), body, tt.code, tt.kind, tt.wants)
		}
	}
	if code, _, _ := get(t, "PUT", base+"m/new"); code != http.StatusMethodNotAllowed {
		t.Errorf("PUT = %d", code)
	}
}

func TestLinkOutOfAMirrorIsTold(t *testing.T) {
	var log bytes.Buffer
	base := mirrors(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, name := range []string{"up", "absolute", "none"} {
		get(t, "GET", base+"m/"+name)
	}
	http.DefaultClient.CloseIdleConnections()
	const text = `msg="not served: a symbolic link leads out of the mirror; make the folder it leads to a mirror too, or copy the file" path=/files/m/`
	for _, want := range []string{"level=WARN " + text + "up", "level=DEBUG " + text + "absolute"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("no single %q:\n%s", want, log.String())
		}
	}
	if strings.Count(log.String(), text) != 2 {
		t.Errorf("what has no link is told of, too:\n%s", log.String())
	}
}

func TestRanges(t *testing.T) {
	var log bytes.Buffer
	verbose := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	content := strings.Repeat("0123456789abcdef", 256)
	root := folder(t, map[string]string{"disc.iso": content})
	base := serve(t, Options{Mirrors: map[string]*os.Root{"m": root}, Log: verbose}) + "/files/m/disc.iso"
	code, h, body := get(t, "HEAD", base)
	if code != 200 || body != "" || h.Get("Content-Length") != "4096" || h.Get("Accept-Ranges") != "bytes" || h.Get("Etag") == "" {
		t.Errorf("HEAD = %d %v %q", code, h, body)
	}
	tag := h.Get("Etag")
	for _, tt := range []struct {
		header []string
		code   int
		want   string // body, if it is not the whole
	}{
		{[]string{"Range: bytes=2048-4095"}, 206, content[2048:]},
		{[]string{"Range: bytes=0-0"}, 206, "0"},
		{[]string{"Range: bytes=-2"}, 206, "ef"},
		{[]string{"Range: bytes=4094-9999"}, 206, "ef"},
		{[]string{"Range: bytes=0-0", "If-Range: " + tag}, 206, "0"},
		{[]string{"Range: bytes=0-0", `If-Range: "other"`}, 200, content},
		{[]string{"If-None-Match: " + tag}, 304, ""},
		{[]string{`If-None-Match: "other"`}, 200, content},
		{[]string{`If-Match: "other"`}, 412, ""},
		{[]string{"Range: bytes=4096-"}, 416, "416"},
		{[]string{"Range: bytes=5-4"}, 416, "416"},
		{[]string{"Range: bytes=512-511"}, 416, "416"},
		{[]string{"Range: bytes=18446744073709551104-18446744073709551615"}, 416, "416"},
		{[]string{"Range: bytes=-"}, 416, "416"},
		{[]string{"Range: bytes=a-b"}, 416, "416"},
		{[]string{"Range: sectors=1-2"}, 200, content},
		{[]string{"Range: bytes=" + strings.Repeat("0-0,", 20) + "0-0"}, 416, "416"},
	} {
		code, _, body := get(t, "GET", base, tt.header...)
		if code == 416 && strings.Contains(body, "range") {
			body = "416"
		}
		if code != tt.code || body != tt.want {
			t.Errorf("%q = %d %.80q, want %d %.80q", tt.header, code, body, tt.code, tt.want)
		}
	}
	code, _, body = get(t, "GET", base, "Range: bytes=0-1,16-17")
	if code != 206 || strings.Count(body, "\r\n01\r\n") != 2 {
		t.Errorf("two ranges: %d %q", code, body)
	}
	loud, all := strings.Count(log.String(), "WARN"), strings.Count(log.String(), `msg="no such range"`)
	if loud != 1 || all != 7 || !strings.Contains(log.String(), `range="bytes=a-b"`) {
		t.Errorf("told of %d ranges, %d of them loudly, want 7 and 1:\n%s", all, loud, log.String())
	}
}

// FuzzMirror asks for names that must not lead out.
func FuzzMirror(f *testing.F) {
	for _, name := range []string{"a", "../secret", "..%2fsecret", "%2e%2e/secret", "a/../../secret", "/", "%00", "..\\secret", "up", "%zz"} {
		f.Add(name)
	}
	root := folder(f, map[string]string{"in/a": "a", "secret": "secret"})
	if err := os.Symlink("../secret", filepath.Join(root.Name(), "in/up")); err != nil {
		f.Fatal(err)
	}
	in, err := os.OpenRoot(filepath.Join(root.Name(), "in"))
	if err != nil {
		f.Fatal(err)
	}
	s := New(Options{Mirrors: map[string]*os.Root{"m": in}, Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, name string) {
		u, err := url.Parse("http://h/files/m/" + name)
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, &http.Request{Method: "GET", URL: u, Header: http.Header{}, Host: "h"})
		if w.Body.String() == "secret" || w.Code >= 500 {
			t.Errorf("GET %s = %d %q", u, w.Code, fmt.Sprintf("%.80s", w.Body))
		}
	})
}
