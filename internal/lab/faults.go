package lab

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// Loss is a Filter that loses the frames which it picks: a fault of a network.
type Loss func(dir Direction, frame []byte) bool

// Frame loses or passes.
func (l Loss) Frame(dir Direction, frame []byte, next func([]byte)) {
	if !l(dir, frame) {
		next(frame)
	}
}

// SnoopDHCP is a switch with DHCP snooping: it passes on what the server at the
// trusted address says by DHCP, and nobody else. An invalid address trusts none.
func SnoopDHCP(trusted netip.Addr) Loss {
	return func(dir Direction, frame []byte) bool {
		u, ok := parseUDP(frame)
		if !ok || dir != ToGuest || u.from != portDHCPServer && u.from != portBINL {
			return false
		}
		from, _ := netip.AddrFromSlice(u.ip[12:16])
		return from != trusted
	}
}

// NarrowPath is a path that packets of more than so many bytes do not come
// through, of which it tells nobody: an MTU black hole.
func NarrowPath(mtu int) Loss {
	return func(_ Direction, frame []byte) bool {
		p, ok := parseIPv4(frame)
		return ok && len(p.packet) > mtu
	}
}

// Loop is a network whose switches are connected in a loop: each frame comes twice.
type Loop struct{}

// Frame passes a frame, and its copy.
func (Loop) Frame(_ Direction, frame []byte, next func([]byte)) {
	next(bytes.Clone(frame))
	next(frame)
}

// KnownPorts is a firewall that lets servers answer from their well-known UDP ports
// alone: it has heard of TFTP's 69, and not that files come from another (RFC 1350, 4).
func KnownPorts() Loss {
	return func(dir Direction, frame []byte) bool {
		u, ok := parseUDP(frame)
		return ok && dir == ToGuest && u.from > 1023 && u.from != portBINL
	}
}

// BrokenTFTP loses the blocks of every file from one on.
func BrokenTFTP(from uint16) Loss {
	return func(dir Direction, frame []byte) bool {
		block, ok := tftpBlock(dir, frame)
		return ok && block >= from
	}
}

// AtBlock loses nothing, and calls f when it sees that block of a file. f must not
// block.
func AtBlock(n uint16, f func()) Loss {
	return func(dir Direction, frame []byte) bool {
		if block, ok := tftpBlock(dir, frame); ok && block == n {
			f()
		}
		return false
	}
}

// tftpBlock is the number of the block that a frame brings to the guest.
func tftpBlock(dir Direction, frame []byte) (block uint16, ok bool) {
	u, ok := parseUDP(frame)
	if !ok || dir != ToGuest || u.from == portDHCPServer || len(u.payload) < 4 || binary.BigEndian.Uint16(u.payload) != tftpData {
		return 0, false
	}
	return binary.BigEndian.Uint16(u.payload[2:]), true
}

// SpanningTree is a switch whose port forwards nothing for a time after its link
// came up, which it does anew when iPXE takes the card over from the ROM.
type SpanningTree struct {
	Wait time.Duration

	mu    sync.Mutex
	until time.Time // zero: iPXE has not come
}

// Reset is called when the guest starts anew.
func (s *SpanningTree) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
}

// Frame loses or passes.
func (s *SpanningTree) Frame(dir Direction, frame []byte, next func([]byte)) {
	s.mu.Lock()
	if s.until.IsZero() && dir == FromGuest && asksAsIPXE(frame) {
		s.until = time.Now().Add(s.Wait)
	}
	blocked := time.Now().Before(s.until)
	s.mu.Unlock()
	if !blocked {
		next(frame)
	}
}

// asksAsIPXE reports whether a frame is a DHCP message of iPXE's.
func asksAsIPXE(frame []byte) (yes bool) {
	u, ok := parseUDP(frame)
	if !ok || u.to != portDHCPServer || len(u.payload) < bootpOptions {
		return false
	}
	eachOption(u.payload[bootpOptions:], func(code byte, _ []byte) { yes = yes || code == optEtherboot })
	return yes
}

// CutAfterLogin is a cable that is pulled when an iSCSI target has let the guest in,
// and has sent it so many bytes since.
type CutAfterLogin struct {
	Bytes int

	mu   sync.Mutex
	in   bool
	sent int
}

// Reset plugs the cable in again.
func (c *CutAfterLogin) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.sent = false, 0
}

// Frame loses or passes. What ends the login is passed.
func (c *CutAfterLogin) Frame(dir Direction, frame []byte, next func([]byte)) {
	c.mu.Lock()
	cut := c.in && c.sent >= c.Bytes
	switch {
	case dir != ToGuest:
	case c.in:
		c.sent += len(frame)
	default:
		c.in = endsLogin(frame)
	}
	c.mu.Unlock()
	if !cut {
		next(frame)
	}
}

// endsLogin reports whether a frame holds the Login Response by which a session
// comes to its full feature phase (RFC 7143, 11.13).
func endsLogin(frame []byte) bool {
	const loginResponse, transitToFullFeature = 0x23, 0x80 | 0x03
	p, ok := parseIPv4(frame)
	if !ok || p.protocol != protoTCP || len(p.payload) < 20 || binary.BigEndian.Uint16(p.payload) != portISCSI {
		return false
	}
	pdu := p.payload[min(len(p.payload), int(p.payload[12]>>4)*4):]
	return len(pdu) >= 48 && pdu[0] == loginResponse && pdu[1]&transitToFullFeature == transitToFullFeature && pdu[36] == 0
}
