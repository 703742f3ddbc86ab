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

func TestRepeatedRequestStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, serveBytes(noise(100)))
		for range 5 {
			b.ask("f")
		}
		synctest.Wait()
		if b.dialed != 1 {
			t.Errorf("%d transfers for one client port", b.dialed)
		}
		b.next(time.Second)
		b.ack(1)
		<-b.done
		synctest.Wait()
		b.ask("f")
		synctest.Wait()
		if b.dialed != 2 {
			t.Errorf("no new transfer after the first ended")
		}
	})
}

// A machine that was switched off in the middle of a transfer asks anew, often
// from the same port, and must not wait for the old transfer's last time-out.
func TestRequestAfterPowerCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := noise(5000)
		b := newBench(t, serveBytes(content))
		old, port := newLink()
		b.client, b.port = old, port
		b.ask("f")
		b.next(time.Second)
		b.ack(1)
		b.next(time.Second)
		b.client, b.port = newLink()
		b.ask("f") // too early: a copy that was late
		synctest.Wait()
		if b.dialed != 1 {
			t.Fatal("a late copy of the request began a second transfer")
		}
		time.Sleep(stallTime + time.Millisecond)
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
		for len(old.in) > 0 {
			if p := <-old.in; p[1] == opERROR {
				t.Errorf("the new client was told %q", p)
			}
		}
	})
}

func TestStopEndsTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveBytes(noise(5000))
		asks, port := newLink()
		client, x := newLink()
		b := &bench{t: t, asks: asks, client: client}
		done := make(chan Transfer, 1)
		s.Done = func(x Transfer) { done <- x }
		s.dial = dialTo(x)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Serve(ctx, requestConn{port, nil}) }()
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

func TestTransfersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveBytes(noise(100))
		s.MaxTransfers = 1
		l := &listener{server: s, active: map[netip.AddrPort]*underway{}, slots: make(chan struct{}, 1)}
		dialed := 0
		s.dial = countDials(&dialed)
		ctx, cancel := context.WithCancel(t.Context())
		r := request{op: opRRQ, filename: "f", mode: "octet"}
		l.start(ctx, r, clientPort(1), localAddr)
		l.start(ctx, r, clientPort(2), localAddr)
		synctest.Wait()
		if dialed != 1 {
			t.Errorf("%d transfers under way, want 1", dialed)
		}
		cancel()
		l.wg.Wait()
	})
}

var localAddr = netip.MustParseAddr("10.0.0.1")

func clientPort(n uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), 2000+n)
}

func dialTo(c net.Conn) dialFunc {
	return func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return c, nil }
}

func countDials(n *int) dialFunc {
	return func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		*n++
		c, _ := newLink()
		return c, nil
	}
}
