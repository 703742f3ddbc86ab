package simulate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// tftpWay is how a firmware reads by TFTP.
type tftpWay struct {
	sizeFirst bool // it asks for the size and breaks off, then reads
	block     int  // of data, that it asks for; 0: 512 without asking (RFC 2348)
	window    int  // of blocks, that it asks for (RFC 7440); 0: one without asking
}

// Opcodes (RFC 1350, 5; RFC 2347).
const (
	tftpRRQ   = 1
	tftpDATA  = 3
	tftpACK   = 4
	tftpERROR = 5
	tftpOACK  = 6
)

const (
	tftpPort   = 69
	tftpAbort  = 8 // RFC 2347: the options are not wanted
	tftpWait   = 2 * time.Second
	tftpTries  = 4
	maxFile    = 64 << 20 // more than any boot loader
	maxPacket  = 65536
	plainBlock = 512 // RFC 1350
)

var past = time.Unix(1, 0)

// fetched is a file and how it came.
type fetched struct {
	data   []byte
	how    string // in words
	took   time.Duration
	resent int // packets that were asked for again
}

// tftpError is a server's refusal.
type tftpError struct {
	code uint16
	text string
}

func (e *tftpError) Error() string {
	return fmt.Sprintf("the TFTP server refuses: %s (code %d)", e.text, e.code)
}

var errTFTPSilent = errors.New("no answer by TFTP: a firewall drops UDP port 69 or what follows it on other ports, or no TFTP server is there")

// tftpFetch reads a file as a firmware does.
func tftpFetch(ctx context.Context, server netip.Addr, name, simulation string, way tftpWay) (fetched, error) {
	start := time.Now()
	if way.sizeFirst {
		t := &tftpTransfer{ctx: ctx, server: server, name: name, simulation: simulation, sizeOnly: true}
		if err := t.run(); err != nil {
			return fetched{}, err
		}
	}
	t := &tftpTransfer{ctx: ctx, server: server, name: name, simulation: simulation, way: way}
	if err := t.run(); err != nil {
		return fetched{}, err
	}
	how := fmt.Sprintf("blocks of %d bytes", t.block)
	if t.window > 1 {
		how += fmt.Sprintf(", %d at a time", t.window)
	}
	return fetched{data: t.data, how: how, took: time.Since(start), resent: t.resent}, nil
}

// tftpTransfer is one transfer.
type tftpTransfer struct {
	ctx        context.Context
	server     netip.Addr
	name       string
	simulation string
	way        tftpWay
	sizeOnly   bool

	conn   *net.UDPConn
	peer   netip.AddrPort // the server's port for this transfer; its port 69 until then
	block  int
	window int
	data   []byte
	got    uint16 // the last block in order
	behind int    // blocks since the last ACK
	resent int
}

func (t *tftpTransfer) run() (err error) {
	if t.conn, err = net.ListenUDP("udp4", nil); err != nil {
		return err
	}
	defer t.conn.Close()
	stop := context.AfterFunc(t.ctx, func() { t.conn.SetReadDeadline(past) })
	defer stop()
	t.peer, t.block, t.window = netip.AddrPortFrom(t.server, tftpPort), plainBlock, 1
	last := t.request()
	if err := t.send(last); err != nil {
		return err
	}
	buf := make([]byte, maxPacket)
	for tries := 0; ; {
		n, err := t.read(buf)
		if err != nil {
			if tries++; tries == tftpTries || t.ctx.Err() != nil {
				return t.silent()
			}
			t.resent++
			if err := t.send(last); err != nil {
				return err
			}
			continue
		}
		reply, done, err := t.take(buf[:n])
		if reply != nil {
			tries, last = 0, reply
			if err := t.send(reply); err != nil {
				return err
			}
		}
		if done || err != nil {
			return err
		}
	}
}

func (t *tftpTransfer) silent() error {
	if t.peer.Port() != tftpPort && len(t.data) > 0 {
		return fmt.Errorf("the TFTP server fell silent after %d bytes: an MTU on the way is smaller than its packets, or they are lost", len(t.data))
	}
	return errTFTPSilent
}

// request is the read request, with the options that this firmware asks for.
func (t *tftpTransfer) request() []byte {
	b := binary.BigEndian.AppendUint16(nil, tftpRRQ)
	all := []string{t.name, "octet", "tsize", "0", agent, t.simulation} // what it does not know, a server ignores (RFC 2347)
	if t.way.block > 0 {
		all = append(all, "blksize", strconv.Itoa(t.way.block))
	}
	if t.way.window > 0 {
		all = append(all, "windowsize", strconv.Itoa(t.way.window))
	}
	return append(append(b, strings.Join(all, "\x00")...), 0)
}

func (t *tftpTransfer) send(b []byte) error {
	_, err := t.conn.WriteToUDPAddrPort(b, t.peer)
	return err
}

// read waits for the server's next packet.
func (t *tftpTransfer) read(buf []byte) (int, error) {
	if err := t.conn.SetReadDeadline(time.Now().Add(tftpWait)); err != nil || t.ctx.Err() != nil {
		return 0, errors.Join(err, t.ctx.Err())
	}
	for {
		n, from, err := t.conn.ReadFromUDPAddrPort(buf)
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		switch {
		case err != nil:
			return 0, err
		case from.Addr() != t.server || n < 4:
		case t.peer.Port() == tftpPort:
			t.peer = from
			return n, nil
		case from == t.peer:
			return n, nil
		}
	}
}

// take handles a packet; reply is nil if there is nothing to say.
func (t *tftpTransfer) take(b []byte) (reply []byte, done bool, err error) {
	arg := binary.BigEndian.Uint16(b[2:])
	switch binary.BigEndian.Uint16(b) {
	case tftpERROR:
		return nil, true, &tftpError{arg, text(b[4:])}
	case tftpOACK:
		if t.sizeOnly {
			return abort(), true, nil
		}
		t.options(b[2:])
		return ack(0), false, nil
	case tftpDATA:
		if t.sizeOnly { // a server without options
			return abort(), true, nil
		}
		return t.piece(arg, b[4:])
	}
	return nil, false, nil
}

// piece takes one block.
func (t *tftpTransfer) piece(block uint16, data []byte) (reply []byte, done bool, err error) {
	if block != t.got+1 {
		if t.behind == 0 && block != t.got { // lost ones: the window begins again
			return nil, false, nil
		}
		t.behind = 0
		t.resent++
		return ack(t.got), false, nil
	}
	t.got, t.data = block, append(t.data, data...)
	if len(t.data) > maxFile {
		return abort(), true, fmt.Errorf("%s has more than %d MiB: that is no boot loader", t.name, maxFile>>20)
	}
	done = len(data) < t.block
	if t.behind++; !done && t.behind < t.window {
		return nil, false, nil
	}
	t.behind = 0
	return ack(block), done, nil
}

// options takes what the server grants (RFC 2347).
func (t *tftpTransfer) options(b []byte) {
	parts := strings.Split(string(b), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		n, err := strconv.Atoi(parts[i+1])
		if err != nil || n < 1 || n >= maxPacket {
			continue
		}
		switch strings.ToLower(parts[i]) {
		case "blksize":
			t.block = n
		case "windowsize":
			t.window = n
		}
	}
}

func ack(block uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tftpACK), block)
}

func abort() []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tftpERROR), tftpAbort)
	return append(b, 0)
}
