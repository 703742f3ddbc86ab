package tftp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many packets are received by one system call.
	batch = 32
	// maxPacket is more than any packet of a client's that we read: RFC 2347
	// allows requests of 512 bytes.
	maxPacket = 516
	// buffers of the kernel, for when all clients speak at once. It may give less.
	buffers = 4 << 20
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received or sent
}

// udpSocket receives and sends many packets by one system call. Many packets
// to one client go as one large one, which the kernel cuts (UDP_SEGMENT).
type udpSocket struct {
	*net.UDPConn
	raw syscall.RawConn

	in struct {
		hdr     [batch]mmsghdr
		iov     [batch]unix.Iovec
		name    [batch]unix.RawSockaddrInet4
		control [batch][controlSpace]byte
		packet  [batch][maxPacket]byte
	}
	out struct {
		hdr     [maxMessages]mmsghdr
		iov     [maxMessages]unix.Iovec
		name    [maxMessages]unix.RawSockaddrInet4
		control [maxMessages][controlSpace]byte
	}
	stale bool // the error queue has something
}

// controlSpace is room for IP_PKTINFO and UDP_SEGMENT, or for an IP_RECVERR.
const controlSpace = 64

// newUDPSocket makes a socket of c. asked: it takes requests, and tells to which
// of our addresses they were sent.
func newUDPSocket(c *net.UDPConn, asked bool) (*udpSocket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &udpSocket{UDPConn: c, raw: raw}
	for i := range s.in.hdr {
		s.in.iov[i].Base = &s.in.packet[i][0]
		s.in.iov[i].SetLen(maxPacket)
		h := &s.in.hdr[i].hdr
		h.Name, h.Iov, h.Control = (*byte)(unsafe.Pointer(&s.in.name[i])), &s.in.iov[i], &s.in.control[i][0]
		h.SetIovlen(1)
	}
	s.ready(batch)
	err = errors.Join(c.SetReadBuffer(buffers), c.SetWriteBuffer(buffers))
	ctlErr := raw.Control(func(fd uintptr) {
		if asked {
			// The wildcard socket's replies would otherwise leave from whichever
			// address the route prefers, and clients drop those.
			err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
		}
		// Tells whose port is closed, as this socket is nobody's own.
		err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1))
	})
	return s, errors.Join(err, ctlErr)
}

func (s *udpSocket) receive(h handler) error {
	var n int
	var errno syscall.Errno
	err := s.raw.Read(func(fd uintptr) bool {
		n, errno = s.receiveNow(int(fd))
		return errno != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	if s.stale || errno != 0 {
		s.stale = false
		s.errors(h)
	}
	if errno != 0 {
		return nil // an ICMP error, or out of memory: the timers go on
	}
	for i := range n {
		if s.in.hdr[i].hdr.Flags&unix.MSG_TRUNC == 0 {
			h.packet(s.in.packet[i][:s.in.hdr[i].n], clientOf(&s.in.name[i]), localOf(&s.in.hdr[i].hdr))
		}
	}
	s.ready(n)
	return nil
}

// ready prepares headers for packets to come.
func (s *udpSocket) ready(n int) {
	for i := range n {
		h := &s.in.hdr[i].hdr
		h.Namelen = unix.SizeofSockaddrInet4
		h.SetControllen(controlSpace)
	}
}

func (s *udpSocket) receiveNow(fd int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.in.hdr[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func clientOf(a *unix.RawSockaddrInet4) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:]))
}

// localOf finds the address that a packet was sent to.
func localOf(h *unix.Msghdr) netip.Addr {
	var local netip.Addr
	eachControl(h, func(level, kind int32, data []byte) {
		if level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
			local = netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
		}
	})
	return local
}

// eachControl walks the control messages that were received.
func eachControl(h *unix.Msghdr, f func(level, kind int32, data []byte)) {
	b := unsafe.Slice(h.Control, int(h.Controllen))
	for len(b) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(c.Len)
		if n < unix.SizeofCmsghdr || n > len(b) {
			return
		}
		f(c.Level, c.Type, b[unix.CmsgLen(0):n])
		b = b[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(b)):]
	}
}

// errors reads the queue of ICMP errors (ip(7), IP_RECVERR). The name there is
// of the client that the packet was sent to.
func (s *udpSocket) errors(h handler) {
	_ = s.raw.Control(func(fd uintptr) {
		for {
			var name unix.RawSockaddrInet4
			var control [128]byte
			m := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&name)), Namelen: unix.SizeofSockaddrInet4, Control: &control[0]}
			m.SetControllen(len(control))
			_, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if errno != 0 {
				return
			}
			eachControl(&m, func(level, kind int32, data []byte) {
				if level == unix.IPPROTO_IP && kind == unix.IP_RECVERR && len(data) >= 4 &&
					syscall.Errno(binary.NativeEndian.Uint32(data)) == unix.ECONNREFUSED {
					h.refused(clientOf(&name))
				}
			})
		}
	})
}

func (s *udpSocket) send(out []message) {
	for i := range out {
		s.address(i, &out[i])
	}
	call := unix.Syscall6
	if len(out) == 1 && len(out[0].b) <= out[0].segment {
		// One packet takes microseconds, and a client without windows waits for
		// each: Go's scheduler, told of it, takes a third more instructions.
		call = unix.RawSyscall6
	}
	for sent := 0; sent < len(out); {
		var n int
		var errno syscall.Errno
		err := s.raw.Write(func(fd uintptr) bool {
			r, _, e := call(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.out.hdr[sent])),
				uintptr(len(out)-sent), unix.MSG_DONTWAIT, 0, 0)
			n, errno = int(r), e
			return errno != unix.EAGAIN
		})
		m := &out[sent]
		switch {
		case err != nil:
			m.err = err
			sent++
		case errno == 0:
			sent += n
		case errno == unix.ECONNREFUSED:
			s.stale = true // of an earlier packet, maybe to another client: try again
		case len(m.b) > m.segment:
			s.sendEach(m)
			sent++
		default:
			m.err = errno
			sent++
		}
	}
}

// address writes the header of the i-th message.
func (s *udpSocket) address(i int, m *message) {
	name := &s.out.name[i]
	name.Family, name.Addr = unix.AF_INET, m.client.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], m.client.Port())
	s.out.iov[i].Base = &m.b[0]
	s.out.iov[i].SetLen(len(m.b))
	control := s.out.control[i][:0]
	if m.local.IsValid() {
		var info [unix.SizeofInet4Pktinfo]byte
		local := m.local.As4()
		copy(info[4:], local[:]) // ipi_spec_dst
		control = appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:])
	}
	if len(m.b) > m.segment {
		control = appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, binary.NativeEndian.AppendUint16(nil, uint16(m.segment)))
	}
	h := &s.out.hdr[i].hdr
	*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(name)), Namelen: unix.SizeofSockaddrInet4, Iov: &s.out.iov[i]}
	h.SetIovlen(1)
	if len(control) > 0 {
		h.Control = &control[0]
		h.SetControllen(len(control))
	}
}

// appendControl writes a control message with its padding.
func appendControl(b []byte, level, kind int32, data []byte) []byte {
	at := len(b)
	b = b[:at+unix.CmsgSpace(len(data))]
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	c.Level, c.Type = level, kind
	c.SetLen(unix.CmsgLen(len(data)))
	copy(b[at+unix.CmsgLen(0):], data)
	return b
}

// sendEach sends the packets of a message one by one: the kernel refuses to cut
// them if they are longer than the link takes, and some links cannot have it cut.
func (s *udpSocket) sendEach(m *message) {
	one := []message{*m}
	for b := m.b; len(b) > 0; b = b[len(one[0].b):] {
		one[0].b, one[0].err = b[:min(m.segment, len(b))], nil
		if s.send(one); one[0].err != nil {
			m.err = one[0].err
			return
		}
	}
}
