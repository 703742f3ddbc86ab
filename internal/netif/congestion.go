package netif

import (
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nearby is the longest round trip to what is taken for a machine of the same site.
const nearby = 2 * time.Millisecond

// unpaced are the congestion controls that do, the better one first. To choose CUBIC
// takes CAP_NET_ADMIN, or the admin's leave (tcp_allowed_congestion_control); Reno
// is everybody's, and to a machine nearby hardly another (RFC 9438, 4.3).
var unpaced = []string{"cubic", "reno"}

// Unpaced has l send to machines nearby by another congestion control than BBR,
// where that is the system's default, and tells by which. BBR paces by timers, which
// on a LAN costs as much CPU as all the rest of sending. Peers far away keep BBR, for
// whom it was chosen; and the control that a route names goes before all of this.
func Unpaced(l net.Listener) (_ net.Listener, instead string) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l, ""
	}
	usual := congestion(tcp)
	if !strings.HasPrefix(usual, "bbr") {
		return l, ""
	}
	// On the listener: a connection that has begun with BBR is paced to its end.
	instead = setCongestion(tcp, unpaced)
	return nearListener{tcp, usual, instead, nearby}, instead
}

// nearListener gives connections to peers that are not near their usual control.
type nearListener struct {
	*net.TCPListener
	usual, instead string
	near           time.Duration
}

func (l nearListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	if roundTrip(c) > l.near && congestion(c) == l.instead {
		setCongestion(c, []string{l.usual})
	}
	return c, nil
}

// congestion is the congestion control of a TCP socket, "" if it cannot be had.
func congestion(s syscall.Conn) (name string) {
	control(s, func(fd int) { name, _ = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION) })
	return name
}

// setCongestion sets the first of names that the system allows, and returns it.
func setCongestion(s syscall.Conn, names []string) (set string) {
	control(s, func(fd int) {
		for _, name := range names {
			if unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) == nil {
				set = name
				return
			}
		}
	})
	return set
}

// roundTrip is that of the handshake, 0 where something of it was sent twice.
func roundTrip(c *net.TCPConn) (d time.Duration) {
	control(c, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			d = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return d
}

func control(s syscall.Conn, f func(fd int)) {
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
