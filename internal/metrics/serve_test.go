package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve serves over TCP until the returned end is called, or the test's end.
func serve(t *testing.T, s *Server) (url string, end func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l); close(served) }()
	end = func() error { cancel(); return <-served }
	t.Cleanup(func() { end() })
	return "http://" + l.Addr().String(), end
}

func get(t *testing.T, url string) (code int, text string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestScrapeOverHTTP(t *testing.T) {
	url, end := serve(t, newServer(full()))
	code, text := get(t, url+"/metrics")
	lines := strings.SplitAfter(wantFull, "\n")
	for _, line := range lines {
		if code != 200 || !strings.Contains(text, line) {
			t.Errorf("status %d, without %s", code, line)
		}
	}
	if code, text = get(t, url+"/"); code != 404 || text != "not here: GET /metrics\n" {
		t.Errorf("status %d: %s", code, text)
	}
	r, err := http.Post(url+"/metrics", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if r.StatusCode != 404 {
		t.Errorf("POST: status %d", r.StatusCode)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("it listens still")
	}
}

// A storage that hangs costs a bounded number of scrapes, and the others are
// told.
func TestScrapesAreBounded(t *testing.T) {
	f := full()
	f.wait = make(chan struct{})
	s := newServer(f)
	url, end := serve(t, s)
	codes := make(chan int, maxScrapes)
	for range maxScrapes {
		go func() {
			code, _ := get(t, url+"/metrics")
			codes <- code
		}()
	}
	deadline := time.Now().Add(10 * time.Second)
	for f.asked.Load() < maxScrapes && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	code, text := get(t, url+"/metrics")
	if code != 503 || !strings.Contains(text, "Limit of concurrent requests reached (4)") {
		t.Errorf("status %d: %s", code, text)
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	close(f.wait)
	for range maxScrapes {
		if code := <-codes; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeOnClosedListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = newServer(full()).Serve(t.Context(), l)
	if !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serve metrics on 127.0.0.1:") {
		t.Error(err)
	}
}

func TestFailedScrapesAreLogged(t *testing.T) {
	var log bytes.Buffer
	f := full()
	f.err = errors.New("the store is stopping")
	scrape(t, New(Options{Storage: f, Refused: refused, IO: someIO, Room: noRoom, Traffic: func() []Traffic { return nil }, Counters: NewCounters(), Log: slog.New(slog.NewTextHandler(&log, nil))}))
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "the store is stopping") {
		t.Error(log.String())
	}
}
