package initiator_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/iscsi/pdu"
)

// Every algorithm, one way and both ways.
func TestCHAP(t *testing.T) {
	addr := serve(t, newMemory(1<<20), iscsi.Options{})
	for _, algorithm := range []string{"5", "6", "7", "8"} {
		for _, mutual := range []bool{false, true} {
			s := dial(t, addr, options(func(o *initiator.Options) {
				if o.Algorithms = algorithm; mutual {
					o.ReverseUser, o.ReverseSecret = reverseUser, reverseSecret
				}
			}))
			if got := s.Negotiated().Algorithm; got != algorithm {
				t.Errorf("algorithm %q, want %q", got, algorithm)
			}
			if err := s.Logout(limit(t)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLoginErrors(t *testing.T) {
	addr := serve(t, newMemory(1<<20), iscsi.Options{})
	for want, change := range map[string]func(*initiator.Options){
		"target refuses the login with status 0201":   func(o *initiator.Options) { o.Secret = "wrong" },
		"refuses the login with status 0203":          func(o *initiator.Options) { o.Target += "x" },
		"target does not prove itself by mutual CHAP": func(o *initiator.Options) { o.ReverseUser, o.ReverseSecret = reverseUser, "wrong" },
		"target does not prove itself by mutual":      func(o *initiator.Options) { o.ReverseUser, o.ReverseSecret = "else", reverseSecret },
		"with status 0201":                            func(o *initiator.Options) { o.User = "" },
		"initiator and target need names":             func(o *initiator.Options) { o.Target = "" },
	} {
		_, err := initiator.Dial(limit(t), addr, options(change))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	var refused *initiator.LoginError
	_, err := initiator.Dial(limit(t), addr, options(func(o *initiator.Options) { o.Secret = "" }))
	if !errors.As(err, &refused) || refused.Status != 0x0201 {
		t.Errorf("%v is no LoginError", err)
	}
	if _, err := initiator.Dial(limit(t), "127.0.0.1:1", options(nil)); err == nil || !strings.Contains(err.Error(), `connect to "127.0.0.1:1"`) {
		t.Error(err)
	}
}

// A target that says nothing holds nobody for longer than the context.
func TestDialEnds(t *testing.T) {
	addr := script(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := initiator.Dial(ctx, addr, options(nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestNegotiated(t *testing.T) {
	addr := serve(t, newMemory(1<<20), iscsi.Options{})
	got := dial(t, addr, options(func(o *initiator.Options) {
		o.HeaderDigest, o.DataDigest, o.MaxBurst, o.FirstBurst = true, true, 8192, 65536
	})).Negotiated()
	want := initiator.Negotiated{
		Portal: addr, TSIH: got.TSIH, Algorithm: "8", HeaderDigest: true, DataDigest: true, ImmediateData: true,
		MaxData: 256 << 10, MaxBurst: 8192, FirstBurst: 8192,
	}
	if got != want || got.TSIH == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestDiscover(t *testing.T) {
	addr := serve(t, newMemory(1<<20), iscsi.Options{})
	list, err := initiator.Discover(limit(t), addr, options(func(o *initiator.Options) { o.HeaderDigest = true }))
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if list[0].Name != targetName || !slices.Equal(list[0].Portals, []string{addr}) {
		t.Errorf("%+v", list)
	}
	s := dial(t, addr, options(nil))
	if list, err = s.SendTargets(limit(t), ""); err != nil || len(list) != 1 || list[0].Name != targetName {
		t.Errorf("the session's own: %+v, %v", list, err)
	}
}

// script listens, and runs f with each connection.
func script(t *testing.T, f func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			f(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// request reads one PDU of the initiator.
func request(in *bufio.Reader, p interface{ UnmarshalBinary([]byte) error }) error {
	head := make([]byte, pdu.HeaderSize)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	var h pdu.Header
	_ = h.UnmarshalBinary(head)
	if _, err := in.Discard(h.DataLength + pdu.Pad(h.DataLength)); err != nil {
		return err
	}
	return p.UnmarshalBinary(head)
}

// send writes one PDU.
func send(conn net.Conn, p interface{ AppendBinary([]byte) ([]byte, error) }, data []byte) {
	b, _ := p.AppendBinary(nil)
	b = append(b, data...)
	_, _ = conn.Write(append(b, make([]byte, pdu.Pad(len(data)))...))
}

// portal is a target that sends every login elsewhere.
func portal(t *testing.T, status uint16, address string) string {
	return script(t, func(conn net.Conn) {
		var req pdu.LoginRequest
		if request(bufio.NewReader(conn), &req) == nil {
			text := pdu.AppendText(nil, "TargetAddress", address)
			send(conn, &pdu.LoginResponse{Status: status, ISID: req.ISID, DataLength: len(text)}, text)
		}
	})
}

func TestRedirection(t *testing.T) {
	addr := serve(t, newMemory(1<<20), iscsi.Options{})
	first := portal(t, 0x0102, addr+",1")
	s := dial(t, portal(t, 0x0101, first), options(func(o *initiator.Options) { o.FollowRedirects = true }))
	if got := s.Negotiated().Portal; got != addr {
		t.Errorf("the session is at %s, not at %s", got, addr)
	}
	_, err := initiator.Dial(limit(t), first, options(nil))
	if err == nil || !strings.Contains(err.Error(), "target has moved to "+addr+" (login status 0102)") {
		t.Error(err)
	}
}

func TestRedirectionForEver(t *testing.T) {
	var addr string
	addr = script(t, func(conn net.Conn) {
		var req pdu.LoginRequest
		if request(bufio.NewReader(conn), &req) == nil {
			text := pdu.AppendText(nil, "TargetAddress", addr)
			send(conn, &pdu.LoginResponse{Status: 0x0101, ISID: req.ISID, DataLength: len(text)}, text)
		}
	})
	_, err := initiator.Dial(limit(t), addr, options(func(o *initiator.Options) { o.FollowRedirects = true }))
	if err == nil || !strings.Contains(err.Error(), "redirected more than 4 times") {
		t.Error(err)
	}
}
