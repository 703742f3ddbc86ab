package httpboot

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tcp counts what reaches its ReadFrom, which for a *net.TCPConn is sendfile.
type tcp struct {
	net.Conn
	pieces []int64
	files  int
}

func (c *tcp) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			c.files++
		}
	}
	n, err := io.Copy(io.Discard, r)
	c.pieces = append(c.pieces, n)
	return n, err
}

func (c *tcp) SetWriteDeadline(time.Time) error { return nil }

func TestFilesGoInPieces(t *testing.T) {
	root := folder(t, map[string]string{"f": strings.Repeat("x", piece*5/2)})
	f, err := root.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	under := &tcp{}
	w := &counter{ResponseWriter: struct {
		http.ResponseWriter
		io.ReaderFrom
	}{nil, &conn{Conn: under}}}
	n, err := io.CopyN(w, f, piece*5/2)
	if n != piece*5/2 || err != nil || w.n != n || fmt.Sprint(under.pieces) != fmt.Sprint([]int{piece, piece, piece / 2}) || under.files != 3 {
		t.Errorf("%d, %v: pieces %d, %d of them of the file", n, err, under.pieces, under.files)
	}
	under.pieces = nil
	if n, err := (&conn{Conn: under}).ReadFrom(strings.NewReader("abc")); n != 3 || err != nil {
		t.Errorf("of a plain reader: %d, %v", n, err)
	}
}

// A client that asks and then does not read loses its connection; how long a
// response takes in all does not matter.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := &conn{Conn: ours, leave: func() {}}
		done := make(chan error)
		go func() {
			_, err := c.ReadFrom(bytes.NewReader(make([]byte, 10*piece)))
			done <- err
		}()
		buf := make([]byte, piece)
		for range 8 {
			time.Sleep(slowest - time.Second)
			if _, err := io.ReadFull(theirs, buf); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := <-done; err == nil || time.Since(began) > slowest {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		c.Close()
		theirs.Close()
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	var log bytes.Buffer
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := newLimiter(l, slog.New(slog.NewTextHandler(&log, nil)))
	defer limited.Close()
	accepted := make(chan net.Conn, maxPerAddress+1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var served []net.Conn
	for range maxPerAddress {
		dial()
		served = append(served, <-accepted)
	}
	for range 3 {
		if _, err := dial().Read(make([]byte, 1)); err == nil {
			t.Error("a connection too many was kept")
		}
	}
	served[0].Close()
	served[0].Close() // twice counts once
	dial()
	served = append(served, <-accepted)
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a connection too many was kept")
	}
	for _, c := range served {
		c.Close()
	}
	limited.Close()
	<-ended
	if n := strings.Count(log.String(), "too many HTTP connections from one address"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if len(limited.conns)+len(limited.told)+len(limited.slots) != 0 {
		t.Errorf("left: %v %v %d", limited.conns, limited.told, len(limited.slots))
	}
}

func TestHostileRequests(t *testing.T) {
	base := strings.TrimPrefix(serve(t, Options{}), "http://")
	for name, tt := range map[string]struct{ request, want string }{
		"a body that never comes":  {"POST /files/m/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", "413 "},
		"a body in chunks":         {"GET /files/m/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "413 "},
		"endless header":           {"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431 "},
		"no HTTP":                  {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 "},
		"two requests in one line": {"GET /a GET /b HTTP/1.1\r\n\r\n", "400 "},
	} {
		c, err := net.Dial("tcp", base)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		go io.WriteString(c, tt.request)
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		if !strings.HasPrefix(line, "HTTP/1.1 "+tt.want) {
			t.Errorf("%s: %q, %v", name, line, err)
		}
		if _, err := io.Copy(io.Discard, in); err != nil && !strings.Contains(err.Error(), "reset by peer") {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
		c.Close()
	}
}
