package api

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// A reader may not be told of a negative count: bufio panics.
func TestReadOfAConnectionThatBreaks(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := receiving{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { c.Close() })
	if n, err := c.Read(make([]byte, 16)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
