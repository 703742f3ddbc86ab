// Package tftp is a read-only TFTP server: RFC 1350 with the option extension
// (RFC 2347) and the options blksize (RFC 2348), tsize and timeout (RFC 2349)
// and windowsize (RFC 7440).
//
//	client                                server
//	  │ RRQ name octet [blksize tsize …] ──▶ :69
//	  │ ◀── OACK (options agreed) ──────────  another port, or :69 (SinglePort)
//	  │ ACK 0 ──▶
//	  │ ◀── DATA 1 … DATA w (one window)
//	  │ ACK w ──▶                             and so on; a DATA shorter than
//	  │                                       blksize, maybe empty, is the last
//
// Without options the first DATA takes the place of the OACK.
//
// Loss is repaired by our timer alone: what has not been acknowledged is sent
// again after a time-out that backs off. A repeated ACK never causes a
// repeated DATA, or each duplicate would double all that follow it (the
// Sorcerer's Apprentice bug, RFC 1123, 4.2.3.1); an ACK from the middle of a
// window is no repeat but a request to go on from there (RFC 7440, 4). Block
// numbers wrap from 65535 to 0.
//
// A transfer is a small state machine without goroutine, socket or buffer of its
// own. Transfers share a few ports, each served by one goroutine that takes all
// packets that have come by one system call and sends all answers by another; a
// window goes to the kernel as one large packet, which it cuts (UDP_SEGMENT).
//
//	desk (requests) ──▶ openers (find the file) ──▶ port: transfer, transfer, …
//	                    openers (tell how it ended) ◀──┘
//
// UEFI firmware asks for tsize, aborts with an ERROR packet as soon as it has
// the OACK, and then asks again for the data: such a transfer is Aborted and
// not a fault.
package tftp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Server answers read requests. The fields are set before Serve is called.
type Server struct {
	// Open finds the file for a request. Errors that wrap fs.ErrNotExist or
	// fs.ErrPermission are told to the client as such, all others as "server
	// error". It may be called from many goroutines.
	Open func(context.Context, Request) (File, error)

	// Done, if set, is told how each request ended, refused ones included.
	Done func(Transfer)

	// SinglePort has transfers answered from the port that was asked, for
	// firewalls that let nothing else through. Then one goroutine sends all.
	SinglePort bool

	// MaxTransfers bounds the transfers under way (default 8192). For a request
	// beyond it, one gives way whose client has never answered; if there is
	// none, the request is dropped, and the client repeats it.
	MaxTransfers int

	// MaxBlock bounds blksize in bytes (default 1468: with its headers a
	// block fills an Ethernet frame and is never cut into fragments, which
	// many ROMs cannot put together).
	MaxBlock int

	// MaxWindow bounds windowsize in blocks (default 64).
	MaxWindow int

	Log *slog.Logger // may be nil

	ports int // of transfers; 0: as many as usual

	mu    sync.Mutex
	desks []*desk // of the sockets that are served
}

// File is what is sent: a fixed number of bytes that may be read again.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Request is one read request.
type Request struct {
	Name   string         // cleaned: slashes, relative, never leaves the root
	Client netip.AddrPort // who asks
	Local  netip.Addr     // our address that was asked
	// Simulation is the one that the client says it belongs to, in which it only
	// looks what a machine would get; "": none.
	Simulation string
}

// Transfer is what became of a request.
type Transfer struct {
	Request
	Bytes    int64 // acknowledged by the client
	Duration time.Duration
	// Err is nil when the client acknowledged the last block, and when it
	// aborted before it took any data.
	Err error
	// Aborted: the client ended the transfer by an ERROR packet.
	Aborted bool
	// Answered: the client was heard of at least once after its request.
	Answered bool
	Block    int // bytes of data in a packet, as agreed
	Resent   int // windows that were sent again
	// Repeated: so often the client has acknowledged its last block again, and so
	// asked for the next, which did not reach it.
	Repeated int
}

// Errors that Transfer.Err wraps.
var (
	// ErrWrite: the client wanted to write; this server only reads.
	ErrWrite = errors.New("write request refused, this server is read-only")
	// ErrMode: a transfer mode other than octet. Converting line ends, as
	// netascii demands, would ruin a boot loader.
	ErrMode = errors.New("transfer mode is not octet (binary)")
	// ErrTimeout: the client fell silent.
	ErrTimeout = errors.New("client stopped answering")
	// ErrLastACK: every byte was sent, but the last block's ACK never came.
	// The client most likely has the whole file.
	ErrLastACK = errors.New("last block was not acknowledged")
	// ErrAborted: the client gave up after it had taken data.
	ErrAborted = errors.New("client aborted")
	// ErrRestarted: the client fell silent and then asked anew.
	ErrRestarted = errors.New("client began anew")
	// ErrStopped: the server was told to end.
	ErrStopped = errors.New("server is stopping")
)
