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
func (c *conn) acknowledged() uint64 { return c.info().Bytes_acked }

// info is what the kernel knows of c; nothing once it is closed here.
func (c *conn) info() (i unix.TCPInfo) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return i
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				i = *info
			}
		})
	}
	return i
}

// watch looks at what of a response arrives, until the returned function is called
// with what was written.
func watch(r *http.Request) (end func(f *Fetched)) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return func(*Fetched) {}
	}
	before := c.info()
	return func(f *Fetched) { f.arrived(before, c.info()) }
}

// arrived notes how a response went, by what the kernel knew before it and knows now.
func (f *Fetched) arrived(before, now unix.TCPInfo) {
	f.Packet, f.Resent = packet(now), int(now.Total_retrans-before.Total_retrans)
	if f.Err == nil {
		return
	}
	// The rest was in the kernel's buffer. Headers go by a small packet of their own.
	f.Bytes = min(f.Bytes, int64(now.Bytes_acked-before.Bytes_acked))
	if f.Bytes < int64(now.Snd_mss) {
		f.Bytes = 0
	}
}

// packet is the length of a full IPv4 packet of a connection.
func packet(i unix.TCPInfo) int {
	const headers, timestamps, timestampsLen = 20 + 20, 1, 12 // linux/tcp.h, TCPI_OPT_TIMESTAMPS; RFC 7323, appendix A
	n := int(i.Snd_mss) + headers
	if i.Options&timestamps != 0 {
		n += timestampsLen
	}
	return n
}
