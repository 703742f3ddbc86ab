package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/recorder"
)

// pty opens a pseudo-terminal of 100 columns and 10 rows.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn() // its Fd would make it deaf to deadlines
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		if failed == nil {
			n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	if slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: 10}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// TestWatchOnATerminal sees the room drawn, and the screen given back.
func TestWatchOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	w := newWorld()
	w.Add(recorder.Event{Boot: "b1", Machine: "pc01", Stage: recorder.StageLoader, Text: "fetched"})
	socket := serveWorld(t, w)
	master, slave := pty(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := make(chan int, 1)
	go func() {
		a := &app{out: slave, errs: &bytes.Buffer{}, now: time.Now}
		code <- a.run(ctx, []string{"boot", "watch", "--socket", socket})
	}()
	var seen strings.Builder
	await := func(text string) {
		t.Helper()
		buf := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			master.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := master.Read(buf)
			if err != nil {
				t.Fatalf("%v: %q is not on the terminal:\n%q", err, text, seen.String())
			}
			seen.Write(buf[:n])
		}
	}
	await("\x1b[?1049h")
	await("2 machines: 1 booting, 1 never booted")
	await("   pc01     loader")
	w.Add(recorder.Event{Boot: "b1", Machine: "pc01", Stage: recorder.StageIPXE, Text: "asks"})
	await("   pc01     ipxe")
	cancel()
	await("\x1b[?25h\x1b[?1049l")
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
}
