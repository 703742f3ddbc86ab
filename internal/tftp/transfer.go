package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	firstTimeout = 500 * time.Millisecond // before a round trip was measured
	minTimeout   = 200 * time.Millisecond // firmware polls its NIC by a slow timer
	maxTimeout   = 8 * time.Second
	maxRetries   = 6 // in a row without progress: 0.5 to 8 s, 23.5 s in all
	maxAnswer    = 516
)

// errReply tells that the client sent an ERROR packet.
type errReply struct{ answer }

func (e errReply) Error() string { return fmt.Sprintf("error %d %q", e.number, e.message) }

// transfer sends one file. Blocks are counted from 1 in 64 bits; the wire has
// the low 16.
type transfer struct {
	conn  net.Conn
	file  File
	size  int64
	terms terms

	heard   *atomic.Int64 // when the client last answered
	acked   int64         // bytes
	aborted bool

	rtt     time.Duration // smoothed round trip, 0: not measured
	packet  []byte        // scratch, one packet
	receive [maxAnswer]byte
}

// run sends the OACK, if any option was agreed, and then window after window.
func (x *transfer) run(ctx context.Context) error {
	x.packet = make([]byte, 4+x.terms.block)
	err := x.offer(ctx)
	if err == nil {
		err = x.windows(ctx)
	}
	var reply errReply
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), ErrRestarted):
		return ErrRestarted // and not a word: the new transfer's client has the same port
	case ctx.Err() != nil:
		x.conn.Write(appendError(nil, codeUndefined, ErrStopped.Error()))
		return ErrStopped
	case x.acked == 0 && x.terms.oack != nil && errors.Is(err, syscall.ECONNREFUSED):
		x.aborted = true // as below, but it only closed its port
		return nil
	case errors.As(err, &reply):
		x.aborted = true
		if x.acked == 0 {
			return nil // it only wanted to know the size
		}
		return fmt.Errorf("%w after %d of %d bytes: %w", ErrAborted, x.acked, x.size, err)
	}
	return err
}

// offer sends the OACK and waits for its acknowledgement, ACK 0.
func (x *transfer) offer(ctx context.Context) error {
	if x.terms.oack == nil {
		return nil
	}
	oack := appendOACK(nil, x.terms.oack)
	_, err := x.exchange(ctx, 0, 0, func() error {
		_, err := x.conn.Write(oack)
		return err
	})
	return err
}

// windows sends the blocks. base is the first block not yet acknowledged.
func (x *transfer) windows(ctx context.Context) error {
	last := x.size/int64(x.terms.block) + 1 // the short one, maybe empty
	for base := int64(1); base <= last; {
		end := min(base+int64(x.terms.window)-1, last)
		acked, err := x.exchange(ctx, base, end, func() error { return x.send(base, end) })
		if err != nil && end == last && lost(err) {
			return fmt.Errorf("%w (%d of %d bytes acknowledged): %w", ErrLastACK, x.acked, x.size, err)
		}
		if err != nil {
			return err
		}
		base = acked + 1
		x.acked = min(acked*int64(x.terms.block), x.size)
	}
	return nil
}

// lost reports whether err means that the client is no longer there.
func lost(err error) bool {
	return errors.Is(err, ErrTimeout) || errors.Is(err, syscall.ECONNREFUSED)
}

// send writes the blocks base to end.
func (x *transfer) send(base, end int64) error {
	for n := base; n <= end; n++ {
		binary.BigEndian.PutUint16(x.packet, opDATA)
		binary.BigEndian.PutUint16(x.packet[2:], uint16(n))
		off := (n - 1) * int64(x.terms.block)
		data := x.packet[4 : 4+min(int64(x.terms.block), x.size-off)]
		if got, err := x.file.ReadAt(data, off); got < len(data) {
			x.conn.Write(appendError(nil, codeUndefined, "server error"))
			return fmt.Errorf("read block %d: %w", n, noEOF(err))
		}
		if _, err := x.conn.Write(x.packet[:4+len(data)]); err != nil && !transient(err) {
			return fmt.Errorf("send block %d: %w", n, err)
		}
	}
	return nil
}

// noEOF: a file that became shorter while it was sent is a fault, not an end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// transient errors of a send are loss, and our timer repairs loss.
func transient(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EAGAIN) ||
		errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// exchange sends the blocks base to end and waits until one of them is
// acknowledged, sending again when the time-out passes. It returns the block
// that the client has acknowledged last.
func (x *transfer) exchange(ctx context.Context, base, end int64, send func() error) (int64, error) {
	for try := 0; try < maxRetries; try++ {
		if err := send(); err != nil {
			return 0, err
		}
		sent := time.Now()
		acked, err := x.await(ctx, base, end, sent.Add(x.timeout(try)))
		if err == nil {
			if try == 0 { // Karn: a repeated block's ACK measures nothing
				x.measure(time.Since(sent))
			}
			return acked, nil
		}
		if ctx.Err() != nil || !errors.Is(err, ErrTimeout) {
			return 0, err
		}
	}
	return 0, ErrTimeout
}

// await reads answers until one acknowledges a block of the window. All other
// ACKs are late or repeated and are ignored: answering a repeated ACK with
// data is what doubles traffic for ever.
func (x *transfer) await(ctx context.Context, base, end int64, deadline time.Time) (int64, error) {
	for {
		x.conn.SetReadDeadline(deadline)
		if ctx.Err() != nil {
			return 0, ErrStopped
		}
		n, err := x.conn.Read(x.receive[:])
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return 0, ErrTimeout
		}
		if err != nil {
			return 0, fmt.Errorf("wait for block %d: %w", base, err)
		}
		var a answer
		if a.UnmarshalBinary(x.receive[:n]) != nil {
			continue
		}
		x.heard.Store(time.Now().UnixNano())
		if a.op == opERROR {
			return 0, errReply{a}
		}
		// The distance from base in 16 bits finds the block across a rollover.
		if ahead := int64(a.number - uint16(base)); ahead <= end-base {
			return base + ahead, nil
		}
	}
}

// timeout is how long to wait for an ACK: what the client asked for, or four
// round trips, doubled with every retry.
func (x *transfer) timeout(try int) time.Duration {
	d := firstTimeout
	switch {
	case x.terms.timeout > 0:
		d = x.terms.timeout
	case x.rtt > 0:
		d = min(max(4*x.rtt, minTimeout), maxTimeout)
	}
	return min(d<<try, max(maxTimeout, x.terms.timeout))
}

func (x *transfer) measure(rtt time.Duration) {
	if x.rtt == 0 {
		x.rtt = rtt
	}
	x.rtt += (rtt - x.rtt) / 8
}
