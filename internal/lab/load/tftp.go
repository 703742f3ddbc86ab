package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"

	"bootes.dev/internal/quantile"
	"golang.org/x/sys/unix"
)

// TFTP is clients that fetch a file over and over, all at once. Each has a
// socket of its own for each fetch, as firmware has; none knows of UDP's
// offloads. The file was made by WriteWords.
type TFTP struct {
	Server        string // host:port
	Name          string
	Size          int64 // of the file, in bytes
	Block, Window int   // what the clients ask for
	Clients       int
	Once          bool // each fetches it once, and Seconds says nothing
}

// TFTPReport is what came of it.
type TFTPReport struct {
	Figures       // of whole fetches, but for Bytes: those of unfinished ones count
	Repeats int64 // packets that a client had to send again, for nothing came
	Peak    int64 // most memory that the server's process has had, in bytes
}

// Codes of TFTP's packets.
const (
	tftpRead  = 1
	tftpData  = 3
	tftpAck   = 4
	tftpError = 5
	tftpOACK  = 6
)

const (
	// tftpPatience is how long a client waits before it sends again.
	tftpPatience = time.Second
	// tftpGiveUp is how often it does so before it calls that a fault.
	tftpGiveUp = 30
)

// fetchers are all clients of a job, run by one thread that polls.
type fetchers struct {
	*TFTP
	server  unix.SockaddrInet4
	epoll   int
	clients []*fetcher
	left    int // that have not done what they had to
	marks   quantile.Histogram
	report  TFTPReport
	packet  [maxTFTP]byte
}

// maxTFTP is more than any block with its header.
const maxTFTP = 66000

// fetcher is one client.
type fetcher struct {
	all    *fetchers
	index  int // in all.clients
	fd     int
	known  bool // the server's port is known and the socket is connected to it
	block  int  // agreed
	window int
	expect int64 // the block that comes next
	behind int   // blocks that are not yet acknowledged
	last   []byte
	began  time.Time
	heard  time.Time
	tries  int
	done   bool
}

func (t *TFTP) run(ctx context.Context, j *Job) (r Report, err error) {
	addr, err := net.ResolveUDPAddr("udp4", t.Server)
	if err != nil {
		return r, err
	}
	f := &fetchers{TFTP: t, server: unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}, left: t.Clients}
	if f.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return r, fmt.Errorf("make epoll: %w", err)
	}
	defer unix.Close(f.epoll)
	defer f.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m, err := newMeter(ctx, j)
	if err != nil {
		return r, err
	}
	for i := range t.Clients {
		c := &fetcher{all: f, index: i, fd: -1}
		f.clients = append(f.clients, c)
		if err := c.ask(time.Now()); err != nil {
			return r, err
		}
	}
	if !t.Once {
		if err := f.until(ctx, time.Now().Add(warmUp)); err != nil {
			return r, err
		}
		f.marks, f.report = quantile.Histogram{}, TFTPReport{}
		if m, err = newMeter(ctx, j); err != nil {
			return r, err
		}
	}
	if err := f.until(ctx, time.Now().Add(time.Duration(j.Seconds*float64(time.Second)))); err != nil {
		return r, err
	}
	err = m.read(&r)
	bytes := f.report.Bytes
	f.report.Figures = figures(&f.marks)
	f.report.Bytes = bytes
	if j.Server != 0 {
		f.report.Peak, err = peak(j.Server)
	}
	r.TFTP = f.report
	return r, err
}

func (f *fetchers) close() {
	for _, c := range f.clients {
		if c.fd >= 0 {
			unix.Close(c.fd)
		}
	}
}

// until serves all clients until then, or until each has its file.
func (f *fetchers) until(ctx context.Context, then time.Time) error {
	var events [256]unix.EpollEvent
	looked := time.Now()
	for {
		n, err := unix.EpollWait(f.epoll, events[:], 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
		now := time.Now()
		for _, e := range events[:max(n, 0)] {
			if err := f.clients[e.Fd].take(now); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case f.left == 0, !f.Once && now.After(then):
			return nil
		case now.Sub(looked) > tftpPatience/4:
			looked = now
			if err := f.repeat(now); err != nil {
				return err
			}
		}
	}
}

// repeat has the clients send again that have heard nothing.
func (f *fetchers) repeat(now time.Time) error {
	for i, c := range f.clients {
		if c.done || now.Sub(c.heard) < tftpPatience {
			continue
		}
		if c.tries++; c.tries > tftpGiveUp {
			return fmt.Errorf("client %d: nothing has come for block %d in %d tries", i, c.expect, c.tries)
		}
		f.report.Repeats++
		c.heard = now
		if err := c.send(c.last); err != nil {
			return err
		}
	}
	return nil
}

// ask begins a fetch.
func (c *fetcher) ask(now time.Time) (err error) {
	f := c.all
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.index)}
	if err := unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		return fmt.Errorf("poll socket: %w", err)
	}
	c.known, c.block, c.window, c.expect, c.behind, c.tries = false, 512, 1, 1, 0, 0
	c.began, c.heard = now, now
	b := append([]byte{0, tftpRead}, f.Name+"\x00octet\x00"...)
	if f.Block != 512 {
		b = append(b, "blksize\x00"+strconv.Itoa(f.Block)+"\x00"...)
	}
	if f.Window != 1 {
		b = append(b, "windowsize\x00"+strconv.Itoa(f.Window)+"\x00"...)
	}
	return c.send(b)
}

func (c *fetcher) send(b []byte) (err error) {
	c.last = b
	if c.known {
		_, err = unix.Write(c.fd, b)
	} else {
		err = unix.Sendto(c.fd, b, 0, &c.all.server)
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// take reads what has come, a window at most.
func (c *fetcher) take(now time.Time) error {
	for range max(c.window, 1) {
		p := c.all.packet[:]
		var n int
		var err error
		if c.known {
			n, err = unix.Read(c.fd, p)
		} else {
			var from unix.Sockaddr
			if n, from, err = unix.Recvfrom(c.fd, p, 0); err == nil {
				err = unix.Connect(c.fd, from)
				c.known = true
			}
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case n < 4:
			return fmt.Errorf("receive: %d bytes", n)
		}
		c.heard, c.tries = now, 0
		acked, err := c.packet(p[:n], now)
		if err != nil || acked {
			return err
		}
	}
	return nil
}

// packet takes one in and acknowledges it if that is due.
func (c *fetcher) packet(p []byte, now time.Time) (acked bool, err error) {
	number := binary.BigEndian.Uint16(p[2:])
	switch p[1] {
	case tftpOACK:
		c.agree(p[2:])
		return true, c.ack()
	case tftpError:
		return false, fmt.Errorf("server says: error %d %q", number, p[4:])
	case tftpData:
	default:
		return false, fmt.Errorf("server sent opcode %d", p[1])
	}
	if number != uint16(c.expect) {
		if int16(number-uint16(c.expect)) < 0 {
			return false, nil // old
		}
		return true, c.ack() // a gap
	}
	data := p[4:]
	if err := checkWords(data, (c.expect-1)*int64(c.block)); err != nil {
		return false, err
	}
	c.all.report.Bytes += int64(len(data))
	c.expect++
	c.behind++
	if len(data) < c.block {
		return true, c.end(now)
	}
	if c.behind < c.window {
		return false, nil
	}
	return true, c.ack()
}

func (c *fetcher) ack() error {
	c.behind = 0
	return c.send(binary.BigEndian.AppendUint16([]byte{0, tftpAck}, uint16(c.expect-1)))
}

// agree reads an OACK.
func (c *fetcher) agree(b []byte) {
	var fields []string
	for len(b) > 0 {
		i := 0
		for i < len(b) && b[i] != 0 {
			i++
		}
		fields = append(fields, string(b[:i]))
		b = b[min(i+1, len(b)):]
	}
	for i := 0; i+1 < len(fields); i += 2 {
		n, _ := strconv.Atoi(fields[i+1])
		switch fields[i] {
		case "blksize":
			c.block = n
		case "windowsize":
			c.window = n
		}
	}
}

// end acknowledges the last block and begins anew.
func (c *fetcher) end(now time.Time) error {
	if err := c.ack(); err != nil {
		return err
	}
	if got := (c.expect-2)*int64(c.block) + c.all.Size%int64(c.block); got != c.all.Size {
		return fmt.Errorf("file ended after %d bytes of %d", got, c.all.Size)
	}
	c.all.marks.Add(now.Sub(c.began))
	if c.all.Once {
		c.done = true
		c.all.left--
		return nil
	}
	return c.ask(now)
}
