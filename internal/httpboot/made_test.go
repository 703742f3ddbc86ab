package httpboot

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// Texts that are made for who asks, in place of files.
func TestMadeFiles(t *testing.T) {
	var asked string
	base := serve(t, Options{Loader: func(_ context.Context, r LoaderRequest) (File, error) {
		asked += r.Name + " "
		if !r.Remote.Addr().IsLoopback() || !r.Local.Addr().IsLoopback() {
			t.Errorf("asked by %s of %s", r.Remote, r.Local)
		}
		return Text("script.ipxe", "#!ipxe\n"), nil
	}})
	for _, path := range []string{"/autoexec.ipxe", "/loader/x86_64-sb/autoexec.ipxe"} {
		code, h, body := get(t, "GET", base+path)
		if code != 200 || body != "#!ipxe\n" || h.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %q %v", path, code, body, h)
		}
	}
	for _, path := range []string{"/other.ipxe", "/loader/", "/loader/..%2fa"} {
		if code, _, _ := get(t, "GET", base+path); code < 301 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if strings.TrimSpace(asked) != "autoexec.ipxe x86_64-sb/autoexec.ipxe" {
		t.Errorf("asked for %s", asked)
	}
}

// As shim 16.1 asks for its second stage.
func TestTwoSlashes(t *testing.T) {
	root := folder(t, map[string]string{"x86_64-sb/snponly.efi": "MZ"})
	base := serve(t, Options{Loader: func(_ context.Context, r LoaderRequest) (File, error) { return open(root, r.Name) }})
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	for path, want := range map[string]int{
		"/loader/x86_64-sb//snponly.efi": 200, "/loader//x86_64-sb///snponly.efi": 200, "/loader/x86_64-sb//none.efi": 404,
	} {
		r, err := c.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, r.Status, want)
		}
	}
}
