package httpboot

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/fstest"
	"time"
)

// TestUnderWay looks at a file while somebody fetches it who reads half of it and
// then waits.
func TestUnderWay(t *testing.T) {
	const size = 32 << 20
	files := fstest.MapFS{"linux": {Data: bytes.Repeat([]byte("x"), size)}}
	s := New(Options{Log: slog.New(slog.DiscardHandler), Loader: func(_ context.Context, r LoaderRequest) (File, error) {
		f, err := files.Open(r.Name)
		if err != nil {
			return nil, err
		}
		return f.(File), nil
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(header string) {
		if _, err := io.WriteString(c, "GET /loader/linux HTTP/1.1\r\nHost: x\r\n"+header+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	await := func(what string, ok func([]Progress) bool) {
		t.Helper()
		for range 200 {
			if ok(s.UnderWay()) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: %+v", what, s.UnderWay())
	}
	for range 2 { // the second on the same connection
		ask("")
		await("begun", func(all []Progress) bool {
			return len(all) == 1 && all[0].Size == size && all[0].Path == "/loader/linux"
		})
		if p := s.UnderWay()[0]; p.Done >= size/2 || p.Remote.String() != c.LocalAddr().String() || time.Since(p.Began) > time.Minute {
			t.Errorf("at its beginning: %+v", p)
		}
		if _, err := io.CopyN(io.Discard, c, size/2); err != nil {
			t.Fatal(err)
		}
		await("half", func(all []Progress) bool { return len(all) == 1 && all[0].Done >= size/2 && all[0].Done < size })
		if _, err := io.CopyN(io.Discard, c, size/2); err != nil { // all but what the headers took
			t.Fatal(err)
		}
		await("ended", func(all []Progress) bool { return len(all) == 0 })
	}
	ask("Range: bytes=0-16777215\r\n")
	if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
		t.Fatal(err)
	}
	if all := s.UnderWay(); len(all) != 0 {
		t.Errorf("a part of a file: %+v", all)
	}
}
