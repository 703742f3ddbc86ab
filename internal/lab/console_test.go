package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeGuest is the guest's end of a console's line.
func fakeGuest(t *testing.T) (*Console, net.Conn) {
	t.Helper()
	c, err := newConsole(filepath.Join(t.TempDir(), "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	line, guest := net.Pipe()
	c.setConn(line)
	done := make(chan struct{})
	go func() { defer close(done); c.attach(line) }()
	t.Cleanup(func() {
		guest.Close()
		<-done
		c.close()
	})
	return c, guest
}

func TestConsoleExpect(t *testing.T) {
	c, guest := fakeGuest(t)
	go guest.Write([]byte("\x1b[1mpc1\x1b[0m login: next pc2 login: "))
	for _, want := range []string{"pc1", "pc2"} {
		got, err := c.Expect(t.Context(), `(pc\d) login: `)
		if err != nil {
			t.Fatal(err)
		}
		if got[1] != want {
			t.Errorf("got %q, want %q", got[1], want)
		}
	}
	log, err := os.ReadFile(c.Log)
	if err != nil || !strings.HasPrefix(string(log), "\x1b[1mpc1") {
		t.Errorf("log has %q, %v; want the raw bytes", log, err)
	}
}

func TestConsoleExpectAnyTakesTheFirst(t *testing.T) {
	c, guest := fakeGuest(t)
	go guest.Write([]byte("one two"))
	if _, err := c.Expect(t.Context(), "on"); err != nil {
		t.Fatal(err)
	}
	which, _, err := c.ExpectAny(t.Context(), "two", "e")
	if err != nil || which != 1 {
		t.Errorf("got pattern %d, %v; want 1", which, err)
	}
}

func TestConsoleExpectEnds(t *testing.T) {
	c, guest := fakeGuest(t)
	if _, err := guest.Write([]byte("Kernel panic\r\n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Expect(ctx, "login: ")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Kernel panic") {
		t.Errorf("got %v; want a time-out that shows the last lines", err)
	}
	guest.Close()
	if _, err := c.Expect(t.Context(), "login: "); !errors.Is(err, errGuestEnded) {
		t.Errorf("got %v; want that the guest has ended", err)
	}
	if err := c.Send("x"); !errors.Is(err, errGuestEnded) {
		t.Errorf("got %v; want that the guest has ended", err)
	}
}

func TestConsoleForgetsOldText(t *testing.T) {
	c, guest := fakeGuest(t)
	go func() {
		line := []byte(strings.Repeat("x", 1000) + "\n")
		for range 1000 {
			guest.Write(line)
		}
		guest.Write([]byte("end"))
	}()
	for range 1000 {
		if _, err := c.Expect(t.Context(), "x+\n"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Expect(t.Context(), "end"); err != nil {
		t.Fatal(err)
	}
	if n := len(c.text); n > 3*keepText {
		t.Errorf("console keeps %d bytes", n)
	}
}

// TestShell plays a shell that echoes what is typed, as a terminal does.
func TestShell(t *testing.T) {
	c, guest := fakeGuest(t)
	go func() {
		buf := make([]byte, 4096)
		for _, answer := range []string{"BEGIN1\r\nfirst\r\nsecond\r\nEND1 0\r\n", "BEGIN2\r\nno such file\r\n\r\nEND2 2\r\n"} {
			n, err := guest.Read(buf)
			if err != nil {
				return
			}
			guest.Write(buf[:n])
			guest.Write([]byte(answer))
		}
	}()
	s := &Shell{console: c}
	if out, err := s.Run(t.Context(), "ls"); err != nil || out != "first\nsecond" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := s.Run(t.Context(), "ls x"); err == nil || !strings.Contains(err.Error(), "status 2: no such file") {
		t.Errorf("got %v; want status 2 and the output", err)
	}
}
