package tftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// bench joins a server and one client by links whose losses the test decides.
type bench struct {
	t      *testing.T
	server *Server
	asks   *end // the client sends requests here
	client *end // the client's end of the transfer port
	port   *end // the server's end of it
	done   chan Transfer
}

// newBench starts a server for one file; it ends with the test. Call it in a
// synctest bubble.
func newBench(t *testing.T, s *Server) *bench {
	b := &bench{t: t, server: s, done: make(chan Transfer, 16)}
	b.client, b.port = newLink()
	asks, asked := b.client, b.port
	if !s.SinglePort {
		asks, asked = newLink()
	}
	b.asks = asks
	s.Done = func(x Transfer) { b.done <- x }
	s.ports = 1
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- s.serve(ctx, &fakeSocket{end: asked, client: clientPort(70)}, func() (socket, error) {
			return &fakeSocket{end: b.port, client: clientPort(70)}, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return b
}

func serveBytes(content []byte) *Server {
	return &Server{Open: func(context.Context, Request) (File, error) { return Bytes(content), nil }}
}

func (b *bench) ask(name string, options ...option) {
	p, _ := (&request{op: opRRQ, filename: name, mode: "octet", options: options}).AppendBinary(nil)
	b.asks.Write(p)
}

func (b *bench) ack(block uint16) {
	b.client.Write(binary.BigEndian.AppendUint16([]byte{0, opACK}, block))
}

// next reads one packet of the server's, nil if none comes within d.
func (b *bench) next(d time.Duration) []byte {
	b.client.SetReadDeadline(time.Now().Add(d))
	p := make([]byte, 70000)
	n, err := b.client.Read(p)
	if err != nil {
		return nil
	}
	return p[:n]
}

// fetch is a whole client: it asks, takes OACK or DATA, acknowledges at the
// end of each window or at a gap, repeats its last packet when nothing comes.
func (b *bench) fetch(name string, block, window int, options ...option) ([]byte, error) {
	if block != defaultBlock {
		options = append(options, option{"blksize", strconv.Itoa(block)})
	}
	if window != 1 {
		options = append(options, option{"windowsize", strconv.Itoa(window)})
	}
	b.ask(name, options...)
	var got []byte
	expect, inWindow := uint16(1), 0
	again := func() { b.ask(name, options...) }
	for silent := 0; silent < 50; {
		p := b.next(700 * time.Millisecond)
		if p == nil {
			silent++
			again()
			continue
		}
		silent = 0
		number := binary.BigEndian.Uint16(p[2:])
		switch {
		case p[1] == opERROR:
			return nil, fmt.Errorf("error %d: %s", number, p[4:len(p)-1])
		case p[1] == opOACK:
			b.ack(0)
			again = func() { b.ack(expect - 1) }
		case number == expect:
			got = append(got, p[4:]...)
			expect++
			inWindow++
			again = func() { b.ack(expect - 1) }
			last := len(p)-4 < block
			if last || inWindow == window {
				inWindow = 0
				b.ack(number)
			}
			if last {
				return got, nil
			}
		case int16(number-expect) > 0: // a gap: go on from here
			inWindow = 0
			b.ack(expect - 1)
		default: // old: acknowledged again, as careless clients do
			b.ack(number)
		}
	}
	return got, fmt.Errorf("server is silent, have %d bytes", len(got))
}
