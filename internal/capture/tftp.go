package capture

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// transferTime is how long a client may be silent and still be the one that
	// has asked: its port is a stranger's afterwards.
	transferTime = time.Minute
	maxTransfers = 4096
	defaultBlock = 512 // RFC 1350
)

// transfers are the TFTP clients that have asked for something lately, by which
// packets between ports that anybody may have are known to be TFTP.
type transfers map[netip.AddrPort]transfer

type transfer struct {
	at    time.Time
	block int // size of its blocks
}

// wanted reports whether a packet that looks like TFTP is, and is to be kept.
// Requests begin a transfer.
func (t transfers) wanted(f *frame, p Ports, now time.Time) bool {
	op := binary.BigEndian.Uint16(f.payload)
	if f.dst.Port() == p.TFTP && (op == tftpRRQ || op == tftpWRQ) {
		t.begin(f.src, now)
		return true
	}
	client := f.dst
	known, ok := t[client]
	if !ok {
		client = f.src
		known, ok = t[client]
	}
	if !ok || now.Sub(known.at) > transferTime {
		return false
	}
	known.at = now
	if op == tftpOACK {
		known.block = blockSize(f.payload[2:])
	}
	t[client] = known
	return known.tells(f, op)
}

func (t transfers) begin(client netip.AddrPort, now time.Time) {
	if len(t) >= maxTransfers {
		clear(t)
	}
	t[client] = transfer{at: now, block: defaultBlock}
}

// tells reports whether a packet of a transfer is one that is kept.
func (t transfer) tells(f *frame, op uint16) bool {
	switch op {
	case tftpOACK, tftpERROR:
		return true
	case tftpDATA, tftpACK:
		block := binary.BigEndian.Uint16(f.payload[2:])
		// Our own windows of blocks are one packet until they leave the kernel.
		last := op == tftpDATA && f.datagram%(tftpLen+t.block) != 0
		return block == 1 || block%tftpEach == 0 || last
	}
	return false
}

// blockSize reads the option blksize (RFC 2348) of an OACK.
func blockSize(options []byte) int {
	fields := strings.Split(string(options), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if n, err := strconv.Atoi(fields[i+1]); err == nil && strings.EqualFold(fields[i], "blksize") {
			return n
		}
	}
	return defaultBlock
}
