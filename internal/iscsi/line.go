package iscsi

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Line is what TCP shows of the way to an initiator since its session began.
type Line struct {
	Began        time.Time     // the session
	RTT          time.Duration // the shortest there and back of the last minutes
	Sent, Resent uint64        // segments with data; not those that were sent again since it last acknowledged anything
	Busy         time.Duration // in which something was sent, and not acknowledged
	Full         time.Duration // of that: the initiator had no room for more
	Quiet        time.Duration // since something came from it
}

// Line is that of the newest session on target; false if there is none.
func (s *Server) Line(target string) (l Line, ok bool) {
	var newest *session
	for _, sess := range s.sessionsOn(target) {
		if !sess.ending() && (newest == nil || newest.info.Since.Before(sess.info.Since)) {
			newest = sess
		}
	}
	if newest == nil {
		return l, false
	}
	tcp, ok := newest.conn.(*net.TCPConn)
	if !ok {
		return l, false
	}
	ok = false
	control(tcp, func(fd int) {
		if i, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			l, ok = Line{
				Began: newest.info.Since, RTT: micros(uint64(i.Min_rtt)), Sent: uint64(i.Data_segs_out), Resent: uint64(i.Total_retrans - min(i.Total_retrans, uint32(i.Retransmits))),
				Busy: micros(i.Busy_time), Full: micros(i.Rwnd_limited), Quiet: time.Duration(i.Last_data_recv) * time.Millisecond,
			}, true
		}
	})
	return l, ok
}

func micros(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
