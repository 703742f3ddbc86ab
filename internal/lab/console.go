package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"sync"
	"time"
)

// errGuestEnded: the guest was powered off while somebody waited for its output.
var errGuestEnded = errors.New("guest has ended")

// keepText is how much text before the reading position a console remembers, in
// bytes, for the tail of an error.
const keepText = 64 << 10

// typeTime is how long a guest may leave what is typed, before typing is given up.
const typeTime = time.Minute

// Console is the serial port of a guest. It lives as long as the Guest, across
// power cycles. What the guest wrote is in the file Log, raw.
type Console struct {
	Log string

	mu      sync.Mutex
	log     *os.File
	conn    net.Conn // nil while the guest is off
	plain   ansi
	text    []byte        // plain text, from some time ago until now
	pos     int           // what Expect has consumed of text
	changed chan struct{} // closed, and replaced, when text or conn changes
	watcher func([]byte)  // is given what the guest writes; or nil
}

func newConsole(log string) (*Console, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open console log: %w", err)
	}
	return &Console{Log: log, log: f, changed: make(chan struct{})}, nil
}

// attach makes conn the serial line and reads it until it ends.
func (c *Console) attach(conn net.Conn) {
	c.setConn(conn)
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		c.take(buf[:n])
		if err != nil {
			break
		}
	}
	c.setConn(nil)
}

func (c *Console) setConn(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	c.wake()
}

func (c *Console) take(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.log.Write(p)
	if c.watcher != nil {
		c.watcher(p)
	}
	c.text = c.plain.appendText(c.text, p)
	c.wake()
}

// forget drops text that was consumed long ago.
func (c *Console) forget() {
	if c.pos > 2*keepText {
		cut := c.pos - keepText
		c.text = append([]byte(nil), c.text[cut:]...)
		c.pos -= cut
	}
}

// watch has f called with what the guest writes. f must not block.
func (c *Console) watch(f func([]byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watcher = f
}

func (c *Console) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Expect waits until the guest has written something that matches the regular
// expression, consumes all up to the end of it, and returns the match and its
// groups. Terminal control sequences are not part of the text. The error of a
// ctx that ends, or of a guest that does, shows the last lines of the console.
func (c *Console) Expect(ctx context.Context, pattern string) ([]string, error) {
	_, match, err := c.ExpectAny(ctx, pattern)
	return match, err
}

// ExpectAny is Expect for the first of several patterns to match; it returns that
// pattern's index.
func (c *Console) ExpectAny(ctx context.Context, patterns ...string) (int, []string, error) {
	exprs := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return 0, nil, fmt.Errorf("compile %q: %w", p, err)
		}
		exprs[i] = re
	}
	for {
		i, match, changed, err := c.match(exprs)
		if match != nil {
			return i, match, nil
		}
		if err == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return 0, nil, fmt.Errorf("expect %q on the console: %w; its last lines:\n%s", patterns, err, c.Tail(25))
	}
}

func (c *Console) match(exprs []*regexp.Regexp) (int, []string, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, bestLoc := 0, []int(nil)
	for i, re := range exprs {
		loc := re.FindSubmatchIndex(c.text[c.pos:])
		if loc != nil && (bestLoc == nil || loc[0] < bestLoc[0]) {
			best, bestLoc = i, loc
		}
	}
	if bestLoc == nil {
		if c.conn == nil {
			return 0, nil, nil, errGuestEnded
		}
		return 0, nil, c.changed, nil
	}
	match := make([]string, len(bestLoc)/2)
	for i := range match {
		if from, to := bestLoc[2*i], bestLoc[2*i+1]; from >= 0 {
			match[i] = string(c.text[c.pos+from : c.pos+to])
		}
	}
	c.pos += bestLoc[1]
	c.forget()
	return best, match, nil, nil
}

// Send types text; a newline is the Enter key.
func (c *Console) Send(text string) error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("type on the console: %w", errGuestEnded)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(typeTime)); err != nil {
		return fmt.Errorf("type on the console: %w", err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return fmt.Errorf("type on the console: %w", err)
	}
	return nil
}

// Skip consumes all that the guest has written so far.
func (c *Console) Skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pos = len(c.text)
	c.forget()
}

// Tail returns the last lines that the guest wrote, as plain text.
func (c *Console) Tail(lines int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(tail(c.text, lines))
}

func (c *Console) close() error { return c.log.Close() }
