package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opener(f File, err error) func(context.Context, Request) (File, error) {
	return func(context.Context, Request) (File, error) { return f, err }
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request request
		openErr error
		want    []byte // the ERROR packet
		err     error  // what Done is told
	}{
		{"write", request{op: opWRQ, filename: "f", mode: "octet"}, nil,
			appendError(nil, 2, "write request refused, this server is read-only"), ErrWrite},
		{"netascii", request{op: opRRQ, filename: "f", mode: "netascii"}, nil,
			appendError(nil, 4, `transfer mode is not octet (binary): "netascii"`), ErrMode},
		{"missing", request{op: opRRQ, filename: "f", mode: "octet"}, fmt.Errorf("open: %w", fs.ErrNotExist),
			appendError(nil, 1, "file not found"), fs.ErrNotExist},
		{"the root", request{op: opRRQ, filename: "../..", mode: "octet"}, nil,
			appendError(nil, 1, "file not found"), fs.ErrNotExist},
		{"forbidden", request{op: opRRQ, filename: "f", mode: "octet"}, fs.ErrPermission,
			appendError(nil, 2, "access denied"), fs.ErrPermission},
		{"our fault", request{op: opRRQ, filename: "f", mode: "octet"}, os.ErrDeadlineExceeded,
			appendError(nil, 0, "server error"), os.ErrDeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Open: opener(nil, tt.openErr)}
				b := newBench(t, s)
				p, _ := tt.request.AppendBinary(nil)
				b.asks.Write(p)
				if got := b.next(time.Second); !bytes.Equal(got, tt.want) {
					t.Errorf("client got %q, want %q", got, tt.want)
				}
				if x := <-b.done; !errors.Is(x.Err, tt.err) || x.Aborted {
					t.Errorf("Done: %+v, want %v", x, tt.err)
				}
			})
		})
	}
}

func TestSimulatedRequest(t *testing.T) {
	for _, options := range [][]option{nil, {{simulatedOption, "abc"}}} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{Open: opener(nil, fs.ErrNotExist)}
			b := newBench(t, s)
			p, _ := (&request{op: opRRQ, filename: "f", mode: "octet", options: options}).AppendBinary(nil)
			b.asks.Write(p)
			if x := <-b.done; (x.Simulation == "abc") != (options != nil) {
				t.Errorf("%v: simulation %q", options, x.Simulation)
			}
		})
	}
}

// countOpens counts the transfers that begin.
func countOpens(s *Server) *int {
	n, open := 0, s.Open
	s.Open = func(ctx context.Context, r Request) (File, error) { n++; return open(ctx, r) }
	return &n
}

func TestRepeatedRequestStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveBytes(noise(100))
		opened := countOpens(s)
		b := newBench(t, s)
		for range 5 {
			b.ask("f")
		}
		synctest.Wait()
		if *opened != 1 {
			t.Errorf("%d transfers for one client port", *opened)
		}
		b.next(time.Second)
		b.ack(1)
		<-b.done
		synctest.Wait()
		b.ask("f")
		synctest.Wait()
		if *opened != 2 {
			t.Errorf("no new transfer after the first ended")
		}
	})
}

// Whoever is told of an end may take his time over it; the client does not, and
// some have one port for all their files.
func TestNextFileFromTheSamePort(t *testing.T) {
	for _, single := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := serveBytes(noise(100))
			s.SinglePort = single
			b := newBench(t, s)
			done := s.Done
			s.Done = func(x Transfer) { time.Sleep(time.Second); done(x) }
			for _, name := range []string{"f", "g"} {
				b.ask(name)
				if p := b.next(300 * time.Millisecond); len(p) != 104 {
					t.Errorf("single port %t: %s: % x", single, name, p)
				}
				b.ack(1)
				synctest.Wait()
			}
		})
	}
}

// A machine that was switched off in the middle of a transfer asks anew, often
// from the same port, and must not wait for the old transfer's last time-out.
func TestRequestAfterPowerCycle(t *testing.T) {
	for _, single := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			content := noise(5000)
			s := serveBytes(content)
			s.SinglePort = single
			opened := countOpens(s)
			b := newBench(t, s)
			b.ask("f")
			b.next(time.Second)
			b.ack(1)
			b.next(time.Second)
			b.ask("f") // too early: a copy that was late
			synctest.Wait()
			if *opened != 1 {
				t.Fatal("a late copy of the request began a second transfer")
			}
			time.Sleep(stallTime + time.Millisecond)
			for b.next(time.Nanosecond) != nil { // what came for the machine that was
			}
			got, err := b.fetch("f", 512, 1)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			// The old one may be told of after the new one.
			first, second := <-b.done, <-b.done
			if first.Err == nil {
				first, second = second, first
			}
			if !errors.Is(first.Err, ErrRestarted) {
				t.Errorf("the old transfer: %v", first.Err)
			}
			if second.Err != nil {
				t.Errorf("the new transfer: %v", second.Err)
			}
		})
	}
}

func TestStopEndsTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveBytes(noise(5000))
		asks, asked := newLink()
		client, port := newLink()
		b := &bench{t: t, asks: asks, client: client}
		done := make(chan Transfer, 1)
		s.Done = func(x Transfer) { done <- x }
		s.ports = 1
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- s.serve(ctx, &fakeSocket{end: asked}, func() (socket, error) { return &fakeSocket{end: port}, nil })
		}()
		b.ask("f")
		b.next(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if x := <-done; !errors.Is(x.Err, ErrStopped) {
			t.Errorf("Done: %v, want ErrStopped", x.Err)
		}
		if p := b.next(time.Second); !bytes.Equal(p, appendError(nil, 0, "server is stopping")) {
			t.Errorf("client was told %q", p)
		}
	})
}

// A file that takes long to open must not be waited for, nor be forgotten.
func TestStopWhileAFileIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks, asked := newLink()
		_, port := newLink()
		b := &bench{t: t, asks: asks}
		opening := make(chan struct{})
		closed := &closer{File: Bytes(nil)}
		done := make(chan Transfer, 1)
		s := &Server{ports: 1, Done: func(x Transfer) { done <- x }, Open: func(ctx context.Context, _ Request) (File, error) {
			close(opening)
			<-ctx.Done()
			time.Sleep(time.Second)
			return closed, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- s.serve(ctx, &fakeSocket{end: asked}, func() (socket, error) { return &fakeSocket{end: port}, nil })
		}()
		b.ask("f")
		<-opening
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if x := <-done; !errors.Is(x.Err, ErrStopped) || closed.times != 1 {
			t.Errorf("Done: %v, closed %d times", x.Err, closed.times)
		}
	})
}

type closer struct {
	File
	times int
}

func (c *closer) Close() error { c.times++; return nil }

func TestSocketBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, asked := newLink()
		asked.Close()
		s := &Server{SinglePort: true}
		if err := s.serve(t.Context(), &fakeSocket{end: asked}, nil); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "read TFTP request: ") {
			t.Errorf("Serve: %v", err)
		}
		s.SinglePort = false
		err := s.serve(t.Context(), &fakeSocket{end: asked}, func() (socket, error) { return nil, os.ErrPermission })
		if !errors.Is(err, os.ErrPermission) || !strings.HasPrefix(err.Error(), "open port for transfers: ") {
			t.Errorf("Serve: %v", err)
		}
	})
}

var localAddr = netip.MustParseAddr("10.0.0.1")

func clientPort(n uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), 2000+n)
}
