package httpboot

import (
	"net/http"
	"strings"
)

// told passes a request on to whom it concerns. Of a file that is read in pieces,
// as iPXE reads a disk, the first counts.
func (s *Server) told(r *http.Request, code int) {
	piece := r.Header.Get("Range")
	if s.o.Asked == nil || code < 400 && piece != "" && !strings.HasPrefix(piece, "bytes=0-") {
		return
	}
	s.o.Asked(Asked{Method: r.Method, Path: r.URL.Path, Status: code, Remote: s.asker(r)})
}
