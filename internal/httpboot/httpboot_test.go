package httpboot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server on loopback and returns its base URL.
func serve(t *testing.T, o Options) string {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- New(o).Serve(ctx, l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, method, url string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestScript(t *testing.T) {
	base := serve(t, Options{Script: func(_ context.Context, r ScriptRequest) (string, error) {
		switch r.MAC[5] {
		case 1:
			return fmt.Sprintf("%s from %s to %s", r.MAC, r.Remote.Addr(), r.Local.Addr()), nil
		case 2:
			return "", fmt.Errorf("refuse script: %w", ErrForbidden)
		}
		return "", errors.New("open disk: secret detail")
	}})
	for _, tt := range []struct {
		path string
		code int
		body string
	}{
		{"/ipxe/52-54-00-00-00-01", 200, "52:54:00:00:00:01 from 127.0.0.1 to 127.0.0.1"},
		{"/ipxe/52-54-00-00-00-02", 403, "another machine's"},
		{"/ipxe/52-54-00-00-00-03", 500, "server's log"},
		{"/ipxe/pc01", 400, "not a MAC"},
		{"/ipxe/", 404, "no such file"},
	} {
		code, _, body := get(t, "GET", base+tt.path)
		if code != tt.code || !strings.Contains(body, tt.body) || strings.Contains(body, "secret detail") {
			t.Errorf("GET %s = %d %q, want %d %q", tt.path, code, body, tt.code, tt.body)
		}
	}
}

// What a simulated machine asks for is no step of a boot of the computer that
// plays it. Who only says that it is one, or asks for a script, is not hidden.
func TestSimulatedRequest(t *testing.T) {
	var asked []netip.Addr
	base := serve(t, Options{
		Script: func(_ context.Context, r ScriptRequest) (string, error) { return r.Remote.Addr().String(), nil },
		Loader: func(_ context.Context, r LoaderRequest) (File, error) {
			asked = append(asked, r.Remote.Addr())
			return nil, fs.ErrNotExist
		},
		Asked:     func(r Asked) { asked = append(asked, r.Remote.Addr()) },
		Simulated: func(simulation string) bool { return simulation == "abc" },
	})
	for agent, want := range map[string]netip.Addr{
		"bootes-simulate/abc": {}, "bootes-simulate/abcd": loopback, "bootes-simulate/": loopback, "bootes-simulate": loopback, "abc": loopback,
	} {
		asked = nil
		get(t, "GET", base+"/loader/snponly.efi", "User-Agent: "+agent)
		if len(asked) != 2 || asked[0] != want || asked[1] != want {
			t.Errorf("%s: %v, want %s twice", agent, asked, want)
		}
		if _, _, body := get(t, "GET", base+"/ipxe/52-54-00-00-00-01", "User-Agent: "+agent); body != loopback.String() {
			t.Errorf("%s: script asked for by %s", agent, body)
		}
	}
}

var loopback = netip.MustParseAddr("127.0.0.1")

// TestLoaderBreaksOff: a client that goes away in the middle has not been sent the
// file.
func TestLoaderBreaksOff(t *testing.T) {
	const size = 32 << 20
	got := make(chan Fetched, 1)
	root := folder(t, map[string]string{"big.efi": strings.Repeat("x", size)})
	base := serve(t, Options{
		Loader:  func(_ context.Context, r LoaderRequest) (File, error) { return open(root, r.Name) },
		Fetched: func(f Fetched) { got <- f },
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /loader/big.efi HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.ReadFull(c, make([]byte, 1<<10))
	c.Close()
	f := <-got
	if f.Bytes >= size || f.Err == nil || f.Err.Error() != "client closed the connection" {
		t.Errorf("%d bytes of %d, %v", f.Bytes, size, f.Err)
	}
	if f.Packet < 1500 { // loopback's are longer
		t.Errorf("full packets of %d bytes", f.Packet)
	}
}

// TestNothingArrives: what a client has not acknowledged has not arrived, although it
// was written.
func TestNothingArrives(t *testing.T) {
	for name, tt := range map[string]struct {
		err      error
		acked    uint64
		arrived  int64
		packet   int
		withTime uint8
	}{
		"headers alone": {errClosed, 300, 0, 1500, 0}, "some": {errClosed, 14600, 14600, 1500, 0}, "timestamps": {errSlow, 0, 0, 1512, 1}, "all": {nil, 300, 50000, 1500, 0},
	} {
		f := Fetched{Bytes: 50000, Err: tt.err}
		f.arrived(unix.TCPInfo{Bytes_acked: 7, Total_retrans: 2}, unix.TCPInfo{Bytes_acked: 7 + tt.acked, Total_retrans: 6, Snd_mss: 1460, Options: tt.withTime})
		if f.Bytes != tt.arrived || f.Packet != tt.packet || f.Resent != 4 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestLoader(t *testing.T) {
	var fetched string
	root := folder(t, map[string]string{"snponly.efi": "MZ", "dir/file.efi": "MZ"})
	base := serve(t, Options{
		Loader:  func(_ context.Context, r LoaderRequest) (File, error) { return open(root, r.Name) },
		Fetched: func(f Fetched) { fetched += fmt.Sprint(f.Name, f.Bytes, f.Err, " ") },
	})
	code, h, body := get(t, "GET", base+"/loader/snponly.efi")
	if code != 200 || body != "MZ" || h.Get("Content-Type") != "application/efi" {
		t.Errorf("GET = %d %q %v", code, body, h)
	}
	code, h, _ = get(t, "HEAD", base+"/loader/snponly.efi")
	if code != 200 || h.Get("Content-Length") != "2" {
		t.Errorf("HEAD = %d %v", code, h)
	}
	for _, p := range []string{"missing", "..%2f..%2fetc%2fpasswd", "dir%2ffile.efi%2f..%2f..", "dir", ""} {
		if code, _, _ := get(t, "GET", base+"/loader/"+p); code < 400 {
			t.Errorf("GET /loader/%s = %d, want refusal", p, code)
		}
	}
	if fetched != "snponly.efi2 <nil> " {
		t.Errorf("fetched = %q, want the one whole GET", fetched)
	}
}

// TestAsked: every request but those for scripts is told of, with its answer, and
// one that is read in pieces once.
func TestAsked(t *testing.T) {
	root := folder(t, map[string]string{"a.efi": "MZ and more", "dir/b": "b"})
	var mu sync.Mutex
	var got []string
	base := serve(t, Options{
		Loader:  func(_ context.Context, r LoaderRequest) (File, error) { return open(root, r.Name) },
		Script:  func(context.Context, ScriptRequest) (string, error) { return "#!ipxe", nil },
		Mirrors: map[string]*os.Root{"m": root},
		Asked: func(a Asked) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprint(a.Method, " ", a.Path, " ", a.Status))
		},
	})
	ranged := func(r string) {
		req, _ := http.NewRequest("GET", base+"/files/m/a.efi", nil)
		req.Header.Set("Range", r)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for _, r := range []string{"GET /loader/a.efi", "HEAD /loader/a.efi", "GET /loader/none", "GET /files/m/dir/", "GET /what", "HEAD /ipxe/52-54-00-00-00-01", "GET /ipxe/52-54-00-00-00-01"} {
		method, path, _ := strings.Cut(r, " ")
		get(t, method, base+path)
	}
	ranged("bytes=0-1")
	ranged("bytes=2-3")
	ranged("bytes=900-901")
	mu.Lock()
	defer mu.Unlock()
	want := "GET /loader/a.efi 200|HEAD /loader/a.efi 200|GET /loader/none 404|GET /files/m/dir/ 200|GET /what 404|" +
		"HEAD /ipxe/52-54-00-00-00-01 200|GET /files/m/a.efi 206|GET /files/m/a.efi 416"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}
