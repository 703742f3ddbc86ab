package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// crowd is a desk with one port, and the end of clientPort(0)'s link to it.
func crowd(t *testing.T, s *Server) (*desk, *end) {
	d := newDesk(s)
	client, e := newLink()
	p := newPort(d, &fakeSocket{end: e, client: clientPort(0)})
	d.ports = []*port{p}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.run(ctx, []*port{p}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(d.active) != 0 || d.places != 0 || len(d.files.open) != 0 {
			t.Errorf("left: %d transfers, %d places, %d files", len(d.active), d.places, len(d.files.open))
		}
	})
	return d, client
}

// count is how many transfers there are, and how many are remembered as silent.
func (d *desk) count() (active, silent int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.places, len(d.active)), len(d.silent)
}

func rrq(name string, options ...option) []byte {
	b, _ := (&request{op: opRRQ, filename: name, mode: "octet", options: options}).AppendBinary(nil)
	return b
}

// Those who never answer make room for others, and that is told once.
func TestFloodOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var told atomic.Int32
		d, client := crowd(t, &Server{
			MaxTransfers: 10, Log: slog.New(slog.NewTextHandler(&log, nil)), Done: func(Transfer) { told.Add(1) },
			Open: func(context.Context, Request) (File, error) { return Bytes(noise(5000)), nil },
		})
		d.request(rrq("f"), clientPort(0), localAddr)
		synctest.Wait()
		client.Write([]byte{0, opACK, 0, 1})
		synctest.Wait()
		for n := range uint16(10_000) {
			d.request(rrq("f"), clientPort(n+1), localAddr)
			if active, silent := d.count(); active > 10 || silent > 20 {
				t.Fatalf("%d places taken, %d remembered", active, silent)
			}
		}
		synctest.Wait()
		if d.active[clientPort(0)] == nil {
			t.Error("the one that answered had to go")
		}
		if d.active[clientPort(10_000)] == nil {
			t.Error("the last one to ask was not taken in")
		}
		if n := strings.Count(log.String(), "more TFTP requests than transfers are possible"); n != 1 || told.Load() != 0 {
			t.Errorf("the log tells %d times of it, and %d ends were told:\n%s", n, told.Load(), log.String())
		}
	})
}

// When all clients answer, a request too many is dropped.
func TestTransfersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := crowd(t, &Server{MaxTransfers: 1, Open: func(context.Context, Request) (File, error) { return Bytes(noise(5000)), nil }})
		d.request(rrq("f"), clientPort(0), localAddr)
		synctest.Wait()
		client.Write([]byte{0, opACK, 0, 1})
		synctest.Wait()
		d.request(rrq("f"), clientPort(1), localAddr)
		if active, _ := d.count(); active != 1 || d.active[clientPort(0)] == nil {
			t.Errorf("%d transfers under way, want the first one", active)
		}
	})
}

func TestRequestsThatAreNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := crowd(t, serveBytes(nil))
		for _, local := range []string{"255.255.255.255", "224.0.0.1"} {
			d.request(rrq("f"), clientPort(1), netip.MustParseAddr(local))
		}
		d.request(rrq(strings.Repeat("x", maxRequest)), clientPort(1), localAddr)
		d.request([]byte{0, opRRQ, 'f'}, clientPort(1), localAddr)
		if len(d.active) != 0 {
			t.Errorf("%d transfers", len(d.active))
		}
	})
}

// A room that fetches one file has it open once.
func TestFilesAreShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, noise(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := shelf{open: map[fileID]*sharedFile{}}
	var files []File
	take := func() File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := OSFile(f)
		if err != nil {
			t.Fatal(err)
		}
		return s.share(file)
	}
	for range 3 {
		files = append(files, take())
	}
	if files[0] != files[2] || len(s.open) != 1 {
		t.Error("not shared")
	}
	if err := os.WriteFile(path, noise(6000), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := take()
	if changed == files[0] || changed.Size() != 6000 {
		t.Error("what was changed is taken for what it was")
	}
	for _, f := range files[:2] {
		f.Close()
	}
	if _, err := files[2].ReadAt(make([]byte, 1), 0); err != nil {
		t.Errorf("closed under its last user: %v", err)
	}
	files[2].Close()
	if _, err := files[2].ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("left open: %v", err)
	}
	changed.Close()
	if len(s.open) != 0 {
		t.Errorf("left: %v", s.open)
	}
	if f, err := os.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	} else if _, err := OSFile(f); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a folder: %v", err)
	}
}

// Firmware that only wanted the size may just close its port; the kernel tells
// whose it was, though the socket is everybody's.
func TestClosedPorts(t *testing.T) {
	for _, single := range []bool{false, true} {
		port, done := serveRealBy(t, &Server{SinglePort: single}, "127.0.0.1:0", noise(5000))
		server, _ := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
		for _, tt := range []struct {
			acks    int
			aborted bool
			err     error
		}{{0, true, nil}, {2, false, syscall.ECONNREFUSED}} {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(5 * time.Second))
			c.WriteTo(rrq("loader.efi", option{"tsize", "0"}), server)
			buf := make([]byte, 600)
			for n := range tt.acks {
				_, from, err := c.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				if n == tt.acks-1 {
					break
				}
				c.WriteTo([]byte{0, opACK, 0, byte(n)}, from)
			}
			if tt.acks > 0 { // the last answer comes to a closed port
				c.WriteTo([]byte{0, opACK, 0, byte(tt.acks - 1)}, lastFrom(c, buf, server))
			}
			c.Close()
			select {
			case x := <-done:
				if x.Aborted != tt.aborted || !errors.Is(x.Err, tt.err) || x.Duration > 4*time.Second {
					t.Errorf("single %t, %d ACKs: %+v", single, tt.acks, x)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("single %t, %d ACKs: not told of", single, tt.acks)
			}
		}
	}
}

// lastFrom is where the server's packets come from, by its repeats.
func lastFrom(c *net.UDPConn, buf []byte, server net.Addr) net.Addr {
	if _, from, err := c.ReadFrom(buf); err == nil {
		return from
	}
	return server
}

// A window is one packet for the kernel to cut, unless a block is longer than
// the link takes: then IP has to cut each.
func TestWindowOverASmallMTU(t *testing.T) {
	nettest.Need(t, "atftp")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	peer := nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	nettest.IP(t, "link set br0 mtu 1000")
	content := noise(300_000)
	port, done := serveReal(t, "10.77.0.1:0", content)
	out := filepath.Join(t.TempDir(), "out")
	text, err := peer.Command(t.Context(), "atftp", "--option", "blksize 1468", "--option", "windowsize 16", "-g", "-r", "loader.efi", "-l", out, "10.77.0.1", port).CombinedOutput()
	if err != nil {
		t.Fatalf("atftp: %v: %s", err, text)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, content) {
		t.Errorf("fetched %d bytes, %v", len(got), err)
	}
	if x := <-done; x.Err != nil {
		t.Errorf("Done: %+v", x)
	}
}

// FuzzPort gives a server with a transfer under way what a stranger may send.
func FuzzPort(f *testing.F) {
	f.Add([]byte{0, opACK, 0, 1})
	f.Add([]byte{0, opACK, 0xff, 0xff})
	f.Add(rrq("f", option{"blksize", "8"}, option{"windowsize", "65535"}))
	f.Add(appendError(nil, 8, "enough"))
	f.Add(appendOACK(nil, []option{{"tsize", "1"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := serveBytes(noise(2000))
			s.SinglePort, s.MaxTransfers = true, 4
			d := newDesk(s)
			client, e := newLink()
			p := newPort(d, &fakeSocket{end: e, client: clientPort(1)})
			p.asked = true
			d.ports = []*port{p}
			ended := make(chan error)
			go func() { ended <- d.run(t.Context(), []*port{p}) }()
			for _, packet := range [][]byte{rrq("f", option{"windowsize", "2"}), {0, opACK, 0, 0}, b, b, {0, opACK, 0, 1}} {
				client.Write(packet)
				synctest.Wait()
			}
			p.stop()
			if err := <-ended; err != nil || d.places != 0 {
				t.Error(err, fmt.Sprint(d.places, " places left"))
			}
		})
	})
}
