package iscsi

import (
	"context"
	"math"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Keep-alive of an operating system's connection: patient in ordinary life,
// since a machine may stand still for a while, and hasty when somebody asks.
var (
	patient = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 8}
	hasty   = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 4}
)

const (
	// answerTime is what a living machine has to answer in, and probeTime when
	// TCP has certainly noticed that it did not.
	answerTime = 4 * time.Second
	probeTime  = answerTime + 4*time.Second
)

// clockError is how far TCP's clock may lag behind ours: it ticks, and where a
// hypervisor holds back the processor that does it, it ticks late.
const clockError = 500 * time.Millisecond

// EndDead ends those sessions on target whose machine is gone: an operating
// system whose kernel does not answer TCP for some seconds. It returns when each
// has ended, or has shown that it lives. Of a session of iPXE's nobody can tell:
// it stays.
func (s *Server) EndDead(ctx context.Context, target string) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var probes sync.WaitGroup
	for _, sess := range s.sessionsOn(target) {
		if !sess.info.FromIPXE() {
			probes.Go(func() { sess.probe(ctx) })
		}
	}
	probes.Wait()
}

// probe returns when the session has ended or its peer has answered.
func (s *session) probe(ctx context.Context) {
	tcp, ok := s.conn.(*net.TCPConn)
	if !ok {
		return
	}
	s.hurry(tcp, 1)
	defer s.hurry(tcp, -1)
	start, before := time.Now(), heard(tcp)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.left:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			last := heard(tcp)
			if last < before || last+clockError < time.Since(start) {
				return
			}
			before = last
		}
	}
}

// hurry counts probes, and makes TCP hasty while there are any.
func (s *session) hurry(tcp *net.TCPConn, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probes += n; s.probes > 0 {
		setKeepAlive(tcp, hasty, answerTime)
	} else {
		setKeepAlive(tcp, patient, 0)
	}
}

func (s *Server) sessionsOn(target string) (list []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.targets[target]; t != nil {
		for sess := range t.sessions {
			list = append(list, sess)
		}
	}
	return list
}

// Alive lists the sessions on target that are not ending.
func (s *Server) Alive(target string) (list []SessionInfo) {
	for _, sess := range s.sessionsOn(target) {
		if !sess.ending() {
			list = append(list, sess.describe())
		}
	}
	return list
}

// Unacknowledged is how many bytes of those that were sent by the sessions on
// target their machines have not acknowledged.
func (s *Server) Unacknowledged(target string) (n int) {
	for _, sess := range s.sessionsOn(target) {
		if tcp, ok := sess.conn.(*net.TCPConn); ok {
			control(tcp, func(fd int) {
				if waiting, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
					n += waiting
				}
			})
		}
	}
	return n
}

func (s *session) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// setKeepAlive sets how TCP looks after the peer: c while nothing is under way,
// and how long data may stay unacknowledged, 0 for TCP's own many minutes.
func setKeepAlive(tcp *net.TCPConn, c net.KeepAliveConfig, unacknowledged time.Duration) {
	_ = tcp.SetKeepAliveConfig(c)
	control(tcp, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
	})
}

// heard is how long ago the peer has acknowledged something, a probe included.
func heard(tcp *net.TCPConn) time.Duration {
	ago := time.Duration(math.MaxInt64)
	control(tcp, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			ago = time.Duration(info.Last_ack_recv) * time.Millisecond
		}
	})
	return ago
}

func control(tcp *net.TCPConn, f func(fd int)) {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
