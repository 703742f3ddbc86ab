package httpboot

import (
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Progress is how far a file has come that somebody is being sent.
type Progress struct {
	Path       string
	Remote     netip.AddrPort
	Began      time.Time
	Done, Size int64 // bytes that the client's kernel has acknowledged, of the file's
}

// response sends a whole file.
type response struct {
	Progress
	conn   *conn
	before uint64 // bytes of conn that had been acknowledged
}

// connKey is under which a request's context has its *conn.
type connKey struct{}

// begin notes a response, until the returned function is called. Parts of files
// are not noted: who reads a disk by HTTP asks for thousands.
func (s *Server) begin(r *http.Request, size int64) (end func()) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok || r.Method != http.MethodGet || r.Header.Get("Range") != "" {
		return func() {}
	}
	x := &response{Progress{Path: r.URL.Path, Remote: s.asker(r), Began: time.Now(), Size: size}, c, c.acknowledged()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responses[x] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.responses, x)
	}
}

// UnderWay are the files that are being sent, whole, now. The kernel is asked
// how far they have come: nothing is counted while they go.
func (s *Server) UnderWay() (all []Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.responses {
		p := x.Progress
		p.Done = min(int64(x.conn.acknowledged()-x.before), p.Size) // the headers are counted, too
		all = append(all, p)
	}
	return all
}

// acknowledged is how many bytes the client has acknowledged on c so far.
func (c *conn) acknowledged() (n uint64) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // of a closed one there is nothing to tell
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				n = info.Bytes_acked
			}
		})
	}
	return n
}
