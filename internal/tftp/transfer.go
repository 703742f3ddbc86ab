package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	firstTimeout = 500 * time.Millisecond // before a round trip was measured
	minTimeout   = 200 * time.Millisecond // firmware polls its NIC by a slow timer
	maxTimeout   = 8 * time.Second
	maxRetries   = 6 // in a row without progress: 0.5 to 8 s, 23.5 s in all
)

// transfer sends one file. Blocks are counted from 1 in 64 bits; the wire has
// the low 16. The OACK is block 0. But for the atomic fields, it is its port's
// alone once that has adopted it.
type transfer struct {
	Transfer
	request request
	began   time.Time
	port    *port
	evicted bool // others have its place; guarded by the desk

	file    File
	refusal []byte // an ERROR packet, if there is no file
	terms   terms

	heard     atomic.Int64  // when the client last answered, Unix nanoseconds; 0: never
	size      atomic.Int64  // of the file, in bytes; 0: not begun
	acked     atomic.Int64  // bytes
	resent    atomic.Int64  // Transfer.Resent, for others
	base, end int64         // blocks sent and not acknowledged
	last      int64         // the short block, maybe empty
	try       int           // how often the window was sent again
	backoff   int           // doublings of the time-out since a round trip was measured
	sent, due time.Time     // the window; when it is sent again
	rtt       time.Duration // the longest round trip of late, 0: not measured
	gone      error         // why it must not begin
	over      bool

	wake  time.Time // when its port looks at it; not after due
	index int       // in its port's schedule
}

// stalled reports that the client answered once and then fell silent: a
// request that comes now is not a late copy of the first one but a machine
// that was switched off and on. iPXE takes the same port at each boot.
func (t *transfer) stalled() bool {
	at := t.heard.Load()
	return at != 0 && time.Since(time.Unix(0, at)) > stallTime
}

// start chooses what to send first.
func (t *transfer) start() {
	t.last = t.file.Size()/int64(t.terms.block) + 1
	t.base, t.end = 0, 0
	t.size.Store(t.file.Size())
	if t.terms.oack == nil {
		t.advance(0)
	}
}

// advance goes on behind an acknowledged block.
func (t *transfer) advance(acked int64) {
	t.Bytes = min(acked*int64(t.terms.block), t.file.Size())
	t.acked.Store(t.Bytes)
	t.Repeated = 0
	t.base = acked + 1
	t.end = min(acked+int64(t.terms.window), t.last)
}

// acknowledges finds the block that an ACK is of. All others than those of the
// window are late or repeated and are ignored: answering a repeated ACK with
// data is what doubles traffic for ever.
func (t *transfer) acknowledges(number uint16) (block int64, ok bool) {
	// The distance from base in 16 bits finds the block across a rollover.
	ahead := int64(number - uint16(t.base))
	return t.base + ahead, ahead <= t.end-t.base
}

// timeout is how long to wait for an ACK: what the client asked for, or four
// round trips, doubled with every retry. It stays doubled until a round trip was
// measured (Karn), or over a narrow link each window would be sent several times.
func (t *transfer) timeout() time.Duration {
	d := firstTimeout
	switch {
	case t.terms.timeout > 0:
		d = t.terms.timeout
	case t.rtt > 0:
		d = min(max(4*t.rtt, minTimeout), maxTimeout)
	}
	return min(d<<t.backoff, max(maxTimeout, t.terms.timeout))
}

// measure takes the round trip of a window that was sent once (the ACK of a
// repeated block measures nothing). An OACK comes sooner than a window.
func (t *transfer) measure(rtt time.Duration) {
	t.backoff = 0
	t.rtt = max(rtt, t.rtt+(rtt-t.rtt)/8)
}

// silent is the error of a client of which nothing more is to be expected.
func (t *transfer) silent(err error) error {
	switch {
	case t.base > 0 && t.end == t.last:
		return fmt.Errorf("%w (%d of %d bytes acknowledged): %w", ErrLastACK, t.Bytes, t.file.Size(), err)
	case t.Bytes == 0 && t.terms.oack != nil && errors.Is(err, syscall.ECONNREFUSED):
		t.Aborted = true // it only wanted to know the size, and closed its port
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("wait for block %d: %w", t.base, err)
	}
	return err
}

// abort is what an ERROR packet of the client's means.
func (t *transfer) abort(a answer) error {
	t.Aborted = true
	if t.Bytes == 0 {
		return nil // it only wanted to know the size
	}
	return fmt.Errorf("%w after %d of %d bytes: error %d %q", ErrAborted, t.Bytes, t.file.Size(), a.number, a.message)
}

// write puts the blocks from base on into b, which has room for all of them and
// their headers, and returns the bytes written. scratch is for their data.
func (t *transfer) write(b []byte, base int64, blocks int, scratch []byte) (int, error) {
	size := int64(t.terms.block)
	off := (base - 1) * size
	data := scratch[:min(int64(blocks)*size, t.file.Size()-off)]
	if got, err := t.file.ReadAt(data, off); got < len(data) {
		return 0, fmt.Errorf("read block %d: %w", base+int64(got)/size, noEOF(err))
	}
	n := 0
	for i := range blocks {
		binary.BigEndian.PutUint16(b[n:], opDATA)
		binary.BigEndian.PutUint16(b[n+2:], uint16(base+int64(i)))
		part := data[:min(int(size), len(data))]
		n += 4 + copy(b[n+4:], part)
		data = data[len(part):]
	}
	return n, nil
}

// noEOF: a file that became shorter while it was sent is a fault, not an end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
